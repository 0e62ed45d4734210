//! In-memory fakes of every port, and the contract suites that each adapter and each fake must pass.
//!
//! A fake keeps the promises of its port to the letter and adds levers that no real adapter has: time that is moved by
//! hand, connections that are cut, publishes that fail. Nothing here is for production; it is a dev-dependency only.

pub mod contract;
pub mod fakes;
pub mod fixtures;
mod wait;

pub use wait::{DEADLINE, eventually, within};
