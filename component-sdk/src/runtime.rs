//! What runs around the functions of a component: broker, gateway, confirms, acknowledgements, shutdown.
//!
//! Two runtimes keep apart what must not wait for each other. The control runtime is the main thread: it never runs an
//! author's code, so a function that blocks its thread stalls neither heartbeats nor confirms, and is noticed. The work
//! runtime, two threads, runs the functions.

mod assignments;
mod backoff;
mod boot;
mod broker;
mod duties;
mod gateway;
mod invocation;
mod lane;
mod listener;
mod logging;
mod outcome;
mod outlet;
mod publisher;
mod queue;
mod runner;
mod serve;
mod session;
mod start;
mod step;
mod stop;
mod ticket;
mod watchdog;
mod window;

pub use start::run;

pub(crate) use outcome::split;
