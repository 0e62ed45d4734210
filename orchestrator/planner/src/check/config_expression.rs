//! Expressions in configs that cannot be read, or that read what is not there when a flow is compiled.

use sluice_mapping::{Reads, StepReads};

use super::Context;
use super::context::Parsed;
use crate::{Code, Report};

/// Functions whose result is another each time, so that the same flow would compile to another.
const FICKLE: [&str; 3] = ["$now", "$millis", "$random"];

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for config in &context.configs {
        context.faults(Code::ConfigExpression, &config.mapping_faults, report);
        for parsed in &config.good {
            if let Some(message) = fault(parsed) {
                report.push(context.at(Code::ConfigExpression, &parsed.pointer, message));
            }
        }
    }
}

fn fault(parsed: &Parsed) -> Option<String> {
    if let Some(name) = FICKLE.iter().find(|name| parsed.source.contains(**name)) {
        return Some(format!("a config is evaluated once, so `{name}` does not belong into it"));
    }
    let foreign = foreign(&parsed.reads)?;
    Some(format!("a config belongs to the step, not to a message, and cannot read `{foreign}`"))
}

fn foreign(reads: &Reads) -> Option<&'static str> {
    let all = reads.all.then_some("$");
    let names = ["body", "headers", "item", "execution", "attempt"];
    let steps = (reads.steps != StepReads::None).then_some("steps");
    all.or_else(|| names.into_iter().find(|name| reads.reads(name))).or(steps)
}
