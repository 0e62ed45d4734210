//! The `log` component: writes messages to the container's log.

mod write;

use std::process::ExitCode;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    Component::new(include_str!("../component.json")).action("write", write::Write)
}
