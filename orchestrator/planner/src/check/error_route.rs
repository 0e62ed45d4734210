//! Error routes to steps that are not there, to the step itself and to triggers.

use sluice_domain::ErrorRoute;

use super::Context;
use crate::near::suggest;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let ids = context.ids();
    for (index, step) in context.steps() {
        let ErrorRoute::To(target) = &step.on_error else { continue };
        let mut fault = |message: String, help: Option<String>| {
            let found = context.at_step(Code::ErrorRoute, index, "/on_error/to", message);
            report.push(match help {
                Some(help) => found.help(help),
                None => found,
            });
        };
        if target == &step.id {
            fault(format!("the errors of `{}` go to the step itself", step.id), None);
        } else if let Some(number) = context.topology.find(target.as_str()) {
            if context.is_trigger(number) {
                fault(
                    format!("the errors of `{}` go to the trigger `{target}`, which takes no input", step.id),
                    None,
                );
            }
        } else if !context.unsure() {
            let others = ids.iter().copied().filter(|other| *other != step.id.as_str());
            let help = suggest(target.as_str(), "steps", others);
            fault(
                format!("there is no step `{target}`, which the errors of `{}` go to", step.id),
                Some(help),
            );
        }
    }
}
