//! Edges from ports that the step does not have.

use sluice_protocol::Port;

use super::Context;
use crate::near::suggest;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        for (number, after) in step.after.iter().enumerate() {
            let before = context.topology.find(after.step.as_str());
            let Some(resolved) = before.and_then(|before| context.resolved[before]) else { continue };
            let ports = resolved.function.ports();
            if ports.contains(&after.port) {
                continue;
            }
            let message = format!("the step `{}` has no port `{}`", after.step, after.port);
            let named: Vec<String> = ports.iter().map(|port| format!("{}.{port}", after.step)).collect();
            let help = if after.port.is_default() {
                suggest("", "ports", named.iter().map(String::as_str))
            } else {
                suggest(after.port.as_str(), "ports", ports.iter().map(Port::as_str))
            };
            report.push(
                context.at(Code::UnknownPort, &context.after_pointer(index, number), message).help(help),
            );
        }
    }
}
