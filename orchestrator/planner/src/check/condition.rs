//! Conditions and splits that cannot be read.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for gate in &context.gates {
        context.faults(Code::Condition, &gate.condition_faults, report);
    }
}
