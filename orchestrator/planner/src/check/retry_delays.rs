//! Retry policies whose first delay is longer than their longest.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        let (initial, max) = (step.retry.initial, step.retry.max);
        if initial > max {
            let message = format!("the first retry delay {initial} is longer than the longest, {max}");
            report.push(context.at_step(Code::RetryDelays, index, "/retry/initial", message));
        }
    }
}
