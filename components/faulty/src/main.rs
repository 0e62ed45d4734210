//! The `faulty` component: misbehaves on request, so that tests can watch the platform cope.

mod act;
mod dial;
mod emit;
mod reach;
mod stream;

use std::process::ExitCode;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    Component::new(include_str!("../component.json"))
        .action("act", act::Act)
        .polling("emit", emit::Emit)
        .listener("stream", stream::Stream)
}
