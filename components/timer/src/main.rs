//! The `timer` component: starts executions on a schedule, which the orchestrator keeps.

mod tick;

use std::process::ExitCode;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    Component::new(include_str!("../component.json")).polling("tick", tick::Tick)
}
