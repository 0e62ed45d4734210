//! Edges from steps that are not there.

use super::Context;
use crate::near::suggest;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let ids = context.ids();
    for (index, step) in context.steps() {
        for (number, after) in step.after.iter().enumerate() {
            let id = after.step.as_str();
            if ids.contains(&id) || context.unsure() {
                continue;
            }
            let message = format!("there is no step `{id}`, which `{}` is to follow", step.id);
            let pointer = context.after_pointer(index, number);
            let others = ids.iter().copied().filter(|other| *other != step.id.as_str());
            report.push(context.at(Code::UnknownStep, &pointer, message).help(suggest(id, "steps", others)));
        }
    }
}
