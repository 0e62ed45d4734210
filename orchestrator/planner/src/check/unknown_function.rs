//! Steps that use a function that their connector does not have.

use super::Context;
use crate::near::suggest;
use crate::resolve::connector;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        if context.resolved[index].is_some() {
            continue;
        }
        let Some(connector) = connector(&context.doc.template, step, context.catalogue) else { continue };
        let function = step.uses.function.as_str();
        let message =
            format!("`{}` {} has no trigger or action `{function}`", connector.name(), connector.version());
        let descriptor = &connector.descriptor;
        let known = descriptor.triggers.keys().chain(descriptor.actions.keys());
        let help = suggest(function, "functions", known.map(sluice_protocol::FunctionName::as_str));
        report.push(context.at_step(Code::UnknownFunction, index, "/use", message).help(help));
    }
}
