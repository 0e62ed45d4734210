//! The `http` component: calls any HTTP API, and polls one for new items.

mod answer;
mod auth;
mod exchange;
mod poll;
mod request;
mod seen;

use std::process::ExitCode;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    Component::new(include_str!("../component.json"))
        .action("request", request::Request::default())
        .polling("poll", poll::Poll::default())
}
