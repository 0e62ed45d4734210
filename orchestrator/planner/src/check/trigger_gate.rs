//! Triggers with a condition, a split or an input, which nothing ever goes through.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps().filter(|(index, _)| context.is_trigger(*index)) {
        let fields = [
            ("when", step.gate.when.is_some()),
            ("split", step.gate.split.is_some()),
            ("input", step.gate.input.is_some()),
        ];
        for (field, _) in fields.into_iter().filter(|(_, there)| *there) {
            let message =
                format!("`{}` is a trigger and takes no input, so `{field}` has no effect", step.id);
            report.push(context.at_step(Code::TriggerGate, index, &format!("/{field}"), message));
        }
    }
}
