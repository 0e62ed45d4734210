//! Steps that use a connector by its name although it needs an instance.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        let source = &step.uses.source;
        let Some(resolved) = context.resolved[index] else { continue };
        if context.doc.template.instances.contains_key(source)
            || !(resolved.connector.descriptor.needs_instance()
                || resolved.is_signed(&step.uses.function)
                || resolved.subscribes(&step.uses.function))
        {
            continue;
        }
        let message = format!("the connector `{source}` needs settings or secrets, and so an instance");
        let help = format!(
            "declare `instances: {{ my_{0}: {{ connector: {source} }} }}` and use `my_{0}/{1}`",
            source.as_str().replace('-', "_"),
            step.uses.function
        );
        report.push(context.at_step(Code::InstanceNeeded, index, "/use", message).help(help));
    }
}
