//! The container engine, as Docker does it. The only crate that knows bollard.
//!
//! What is true about containers is in their labels and in what the engine says of them; this crate remembers nothing.
//! Every container is made from one hardened template (`template.rs`) to which a caller can add nothing. Containers that
//! do not carry this installation's label are never touched, whatever their name.

mod config;
mod dismantle;
mod docker;
mod events;
mod facts;
mod fault;
mod filter;
mod image;
mod labels;
mod list;
mod logs;
mod network;
mod remove;
mod start;
mod stop;
mod survey;
mod template;
mod usage;

pub use config::{ConnectError, DockerConfig};
pub use docker::Docker;
pub use network::bridge_filter;
