//! The `rest` component: executes the actions and polling triggers of declarative connectors.
//!
//! A step's config is a `Call`, compiled once when the step is bound. From there: [`request`] builds what is sent,
//! [`exchange`] sends it under the rules of [`hosts`], [`digest`] reads the answer, [`pages`] asks for more of it.
//! A [`budget`] says when a request may go out. Where a connector logs in first, [`login`] does and [`tickets`] keeps the token. Scripts run at the [`desk`]; a [`program`] is an action that is one.

mod answer;
mod auth;
mod bench;
mod body;
mod budget;
mod call;
mod client;
mod desk;
mod digest;
mod exchange;
mod expression;
mod failure;
mod form;
mod hosts;
mod link;
mod login;
mod moment;
mod onward;
mod pages;
mod path;
mod poll;
mod program;
mod quota;
mod redact;
mod request;
mod reset;
mod session;
mod shelf;
mod signer;
mod step;
mod tickets;
mod trace;
mod tracker;
mod upload;
mod walk;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    let shared = Arc::new(client::Shared::default());
    Component::new(include_str!("../component.json"))
        .action(sluice_declarative::CALL, call::Call::new(Arc::clone(&shared)))
        .polling(sluice_declarative::POLL, poll::Poll::new(shared))
}
