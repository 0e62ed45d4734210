//! Polling triggers without a schedule, and schedules of steps that do not poll.

use sluice_protocol::gateway::Role;

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        let Some(resolved) = context.resolved[index] else { continue };
        let there = context.doc.places.has(&context.doc.pointer(index, "/schedule"));
        match resolved.role() {
            Role::Polling if !there => {
                let message = format!("the trigger `{}` polls and does not say when", step.id);
                report.push(context.at_step(Code::ScheduleMissing, index, "/use", message));
            }
            Role::Action | Role::Listener | Role::Webhook | Role::Respond if there => {
                let message = format!("`{}` does not poll, so its schedule has no effect", step.id);
                report.push(context.at_step(Code::ScheduleUnwanted, index, "/schedule", message));
            }
            Role::Polling | Role::Action | Role::Listener | Role::Webhook | Role::Respond => {}
        }
    }
}
