//! The harness of the end-to-end tests and benchmarks: a whole Sluice on real containers and a real broker.
//!
//! A [`World`] has a virtual host, a container network, a data directory and an orchestrator of its own, so that worlds
//! run side by side and leave nothing behind.

mod api;
mod broker;
pub mod crash;
mod docker;
mod launcher;
mod ledger;
mod leftovers;
pub mod load;
pub mod node;
mod oidc;
mod orchestrator;
mod probe;
mod recorder;
mod sink;
mod wait;
pub mod workload;
mod world;

pub use api::Api;
pub use broker::{Amqp, Broker, unique};
pub use docker::{container_log, docker, engine, use_engine};
pub use launcher::{Launcher, sluice_as};
pub use ledger::{Books, Figures, Ledger, Receipt, Sent, hash};
pub use oidc::{Answer, Oidc};
pub use orchestrator::{Orchestrator, program};
pub use probe::{adopt_probe, build_probe};
pub use recorder::Recorder;
pub use sink::{HttpSink, Received};
pub use wait::eventually;
pub use world::{World, component_image};
