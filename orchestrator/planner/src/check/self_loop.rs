//! Steps that follow themselves.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        for (number, _) in step.after.iter().enumerate().filter(|(_, after)| after.step == step.id) {
            // A step whose namesake stands above it follows that one; the name is the fault then.
            if !context.doc.places.has(&context.doc.pointer(index, "/after")) {
                continue;
            }
            let message = format!("the step `{}` follows itself", step.id);
            report.push(context.at(Code::SelfLoop, &context.after_pointer(index, number), message));
        }
    }
}
