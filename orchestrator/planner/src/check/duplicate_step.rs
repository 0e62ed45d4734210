//! Two steps with the same id.

use std::collections::BTreeMap;

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let mut first = BTreeMap::new();
    for (index, step) in context.steps() {
        if let Some(other) = first.get(&step.id) {
            let line = context.doc.places.at(&context.doc.pointer(*other, "")).line;
            let message = format!("the step `{}` stands already in line {line}", step.id);
            report.push(context.at_step(Code::DuplicateStep, index, "/id", message));
        } else {
            first.insert(&step.id, index);
        }
    }
}
