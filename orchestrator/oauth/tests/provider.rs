//! The adapter against providers on loopback: one that does it by the book, and many that do not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "provider/contract.rs"]
mod contract;
#[path = "provider/quirks.rs"]
mod quirks;
#[path = "provider/server.rs"]
mod server;
