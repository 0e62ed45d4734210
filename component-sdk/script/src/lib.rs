//! Scripts of declarative connectors: JavaScript functions in an embedded QuickJS, bounded in every direction.
//!
//! A script has no I/O of its own: no files, no network, no modules, no code from texts. What it may do besides computing
//! is what its [`Host`] offers. Each call gets an engine of its own, so nothing leaks from one to the next.
//!
//! What is computed in one go inside the engine (the search for a long text in a longer one, say) cannot be interrupted.
//! Whoever must not wait for that asks the [`Clock`] of a call and gives its thread up.

mod bytes;
mod clock;
mod engine;
mod error;
mod helpers;
mod host;
mod limits;
mod scripts;
mod value;

pub use clock::Clock;
pub use error::ScriptError;
pub use host::{Host, HostError, NoHost};
pub use limits::Limits;
pub use scripts::Scripts;
