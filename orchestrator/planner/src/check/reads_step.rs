//! Expressions that read a step that is not there, or that does not come before.

use std::collections::BTreeSet;

use super::Context;
use crate::near::{quote, suggest};
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let ids = context.ids();
    let known = context.topology.known();
    for (index, step) in context.steps() {
        let before = || {
            ids.iter().copied().filter(|id| context.topology.find(id).is_some_and(|n| known[index].has(n)))
        };
        let mut said = BTreeSet::new();
        for (parsed, id) in context.gates[index].steps() {
            if !said.insert((&parsed.pointer, id)) {
                continue;
            }
            let name = quote(id);
            match context.topology.find(id) {
                Some(number) if known[index].has(number) => {}
                Some(_) => {
                    let message = if id == step.id.as_str() {
                        format!("the input of `{id}` reads its own output")
                    } else {
                        format!("the step `{}` reads {name}, whose output no message to it can know", step.id)
                    };
                    let help = suggest("", "steps that come before", before());
                    report.push(context.at(Code::ReadsLaterStep, &parsed.pointer, message).help(help));
                }
                None if context.unsure() => {}
                None => {
                    let message = format!("there is no step {name}, which `{}` reads", step.id);
                    let help = suggest(id, "steps that come before", before());
                    report.push(context.at(Code::ReadsUnknownStep, &parsed.pointer, message).help(help));
                }
            }
        }
    }
}
