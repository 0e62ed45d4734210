//! The launcher: a process of its own that alone reaches the container engine, and its client.
//!
//! Whoever reaches a container engine is root on its machine. So the process that talks HTTP to the world does not: it
//! asks the launcher, over a Unix socket, by one typed verb for each call of the port
//! [`Runtime`](sluice_ports::runtime::Runtime). The launcher makes containers from the one template that its adapter
//! has, of images by digest, of its own installation only and within limits of its own configuration. There is nothing
//! else to ask for: no command, mount, port, network or environment can be expressed.
//!
//! Both sides are here: [`serve`] puts verbs before any runtime, and [`Launcher`] is a runtime on the other side. Errors
//! keep their kind on the way. What a container is handed at its start travels in a request's body and is never logged.
#![deny(missing_docs)]

mod client;
mod refusal;
mod server;
mod socket;
mod wire;

pub use client::Launcher;
pub use refusal::Code;
pub use server::{Launch, Most, serve};
pub use socket::{Socket, SocketError};
pub use wire::GRACE;

#[cfg(test)]
mod tests;
