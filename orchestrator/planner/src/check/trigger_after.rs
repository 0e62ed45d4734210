//! Triggers that take messages of other steps.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        let Some(before) = step.after.first() else { continue };
        if !context.is_trigger(index) {
            continue;
        }
        let pointer = context.doc.pointer(index, "/after");
        let message = if context.doc.places.has(&pointer) {
            format!("the trigger `{}` starts executions and cannot follow `{}`", step.id, before.step)
        } else {
            format!(
                "the trigger `{}` is not the first step, and so follows `{}` above it",
                step.id, before.step
            )
        };
        report.push(context.at(Code::TriggerAfter, &pointer, message));
    }
}
