//! Steps that no message ever comes to.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let triggers: Vec<usize> =
        context.steps().map(|(index, _)| index).filter(|index| context.is_trigger(*index)).collect();
    // What is missing is said by other checks; this one would only repeat it.
    if context.unsure() || triggers.is_empty() || context.resolved.iter().any(Option::is_none) {
        return;
    }
    let reached = context.topology.reached(triggers);
    for (index, step) in context.steps().filter(|(index, _)| !reached[*index]) {
        // Of a chain that hangs in the air, its beginning is the fault.
        let begins = context.topology.before[index].is_empty() && step.after.is_empty();
        if begins {
            let message = format!("nothing leads to the step `{}`", step.id);
            report.push(context.at_step(Code::Unreachable, index, "/id", message));
        }
    }
}
