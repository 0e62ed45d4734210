//! Providers of tokens over HTTP: the adapter of the port `OAuth` (RFC 6749, RFC 7009, RFC 8628).
//!
//! The only crate of the orchestrator that talks to providers. [`HttpOAuth`] writes a request, sends it under the rules of
//! where requests may lead, reads a bounded answer, and understands it: JSON or a form, with the members wherever the
//! connector's file says they are. What it says of a failure has no secret in it.
#![deny(missing_docs)]

mod answer;
mod client;
mod device;
mod mask;
mod reach;
mod request;
mod tokens;

pub use client::{ClientError, HttpOAuth, Settings};
pub use sluice_addresses::Network;
