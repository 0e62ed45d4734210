//! Aliases that no step uses.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    if context.unsure() {
        return;
    }
    for alias in context.doc.template.instances.keys() {
        if !context.steps().any(|(_, step)| step.uses.source == *alias) {
            let message = format!("no step uses the alias `{alias}`");
            report.push(context.at(Code::UnusedAlias, &format!("/instances/{alias}"), message));
        }
    }
}
