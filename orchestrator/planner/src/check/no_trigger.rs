//! Templates that nothing ever starts.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    // A step that is not understood may be the trigger.
    let unsure = context.unsure() || context.resolved.iter().any(Option::is_none);
    if !unsure && !context.steps().any(|(index, _)| context.is_trigger(index)) {
        report.push(context.at(
            Code::NoTrigger,
            "/steps",
            "no step uses a trigger, so nothing starts the flow",
        ));
    }
}
