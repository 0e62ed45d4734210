//! The way out for components: a forward proxy that lets each container reach what the rules name, and nothing else.
//!
//! It takes CONNECT (RFC 9110, section 9.3.6) for TLS and for anything else over TCP, and requests for `http` URLs. Who asks
//! is proven by a password of the container's own. Where it may go is asked of the [`EgressRules`] for each request, and
//! again while a connection is open. Names are looked up here and nowhere else, and the addresses that are found are
//! judged before they are dialled ([`Policy`]).
//!
//! It decides nothing about who may go where, remembers nothing, and never writes paths, headers or passwords to the log.
//!
//! [`EgressRules`]: sluice_ports::egress::EgressRules

mod desk;
mod dial;
mod forward;
mod guest;
mod limits;
mod listen;
mod policy;
mod proof;
mod refusal;
mod register;
mod target;
#[cfg(test)]
mod tests;
mod tunnel;
mod watched;

pub use limits::Limits;
pub use listen::{Proxy, serve};
pub use policy::Policy;
pub use refusal::Code;
pub use sluice_addresses::Network;
