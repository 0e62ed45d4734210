//! What every implementation of a port must do. A suite panics with a sentence where one does not.

pub mod broker;
pub mod oauth;
pub mod runtime;
pub mod store;
pub mod vault;
pub mod watch;

use sluice_ports::{Fault, PortError};

/// The fault of a call that must fail.
///
/// # Panics
/// When it did not fail.
#[track_caller]
fn fault_of<T>(result: Result<T, PortError>) -> Fault {
    match result {
        Ok(_) => panic!("the call must fail"),
        Err(error) => error.fault,
    }
}

/// What a call that must succeed returned.
///
/// # Panics
/// With the whole chain of causes when it failed.
#[track_caller]
fn ok<T>(result: Result<T, PortError>) -> T {
    result.unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        panic!("the call must succeed, but: {text}")
    })
}
