//! The crate that connector authors use: a component is a descriptor and its functions, and this is the rest.
//!
//! The SDK takes inputs from the broker, runs the functions, publishes what they emit, awaits the broker's confirms and
//! only then acknowledges. Authors write functions and nothing else:
//!
//! ```no_run
//! use serde::Deserialize;
//! use serde_json::{Value, json};
//! use sluice_sdk::{Action, Component, Context, Error, Output, Outputs, Polled, PollingTrigger};
//!
//! #[derive(Deserialize)]
//! struct Config { suffix: String }
//!
//! struct Shout;
//! impl Action for Shout {
//!     type Config = Config;
//!     type Input = String;
//!     async fn run(&self, _cx: &Context, config: &Config, input: String) -> Result<Outputs, Error> {
//!         Ok(Output::new(input.to_uppercase() + &config.suffix).into())
//!     }
//! }
//!
//! struct Count;
//! impl PollingTrigger for Count {
//!     type Config = Value;
//!     async fn poll(&self, _cx: &Context, _config: &Value, state: Option<Value>) -> Result<Polled, Error> {
//!         let count = state.and_then(|state| state.as_u64()).unwrap_or(0) + 1;
//!         Ok(Polled::new(Output::new(json!({ "count": count }))).state(count))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     # const DESCRIPTOR: &str = "";
//!     # macro_rules! include_str { ($path:literal) => { DESCRIPTOR } }
//!     sluice_sdk::run(Component::new(include_str!("../component.json")).action("shout", Shout).polling("count", Count))
//! }
//! ```
//!
//! [`testing`] runs functions without a broker. The wire protocol underneath is [`protocol`].
//!
//! The crate brings its [allocator](mimalloc); a component that wants another one turns the feature `mimalloc` off.
#![deny(missing_docs)]

mod component;
mod context;
mod credentials;
mod egress;
mod emitter;
mod error;
mod function;
mod orchestrator;
mod output;
pub mod retry_after;
mod runtime;
pub mod testing;
mod tls;

pub use component::{Component, Fault};
pub use context::Context;
pub use credentials::Credentials;
pub use egress::{Egress, proxy_refusal};
pub use emitter::{Confirmed, Emitter};
pub use error::{Error, chain};
pub use function::{Action, ListenerTrigger, Polled, PollingTrigger};
pub use output::{Output, Outputs};
pub use runtime::run;
pub use sluice_protocol as protocol;
pub use tls::tls_config;

/// Messages are many small allocations that one thread makes and another frees, which this allocator does best.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
