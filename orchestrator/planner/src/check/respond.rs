//! Steps that answer a request where there is none, or do not say what.

use sluice_protocol::gateway::Role;

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let role = |index: usize| context.resolved[index].map(|resolved| resolved.role());
    for (index, step) in context.steps().filter(|(index, _)| role(*index) == Some(Role::Respond)) {
        if step.gate.input.is_none() {
            let message = format!("the step `{}` does not say what to answer", step.id);
            let help =
                "give it an `input` of `status`, `headers` and `body`, for example `input: { body: $.body }`";
            report.push(context.at_step(Code::Respond, index, "/use", message).help(help));
        }
        let mut waiting = vec![index];
        let mut seen = vec![false; context.resolved.len()];
        let mut asked = false;
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                // What is not known might be a webhook.
                asked |= role(at).is_none_or(|role| role == Role::Webhook);
                waiting.extend(context.topology.before[at].iter().map(|(before, _)| *before));
            }
        }
        if !asked {
            let message = format!("no webhook leads to `{}`, so nobody waits for its answer", step.id);
            report.push(context.at_step(Code::Respond, index, "/use", message));
        }
    }
}
