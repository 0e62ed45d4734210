//! What the engine's errors mean for a caller: is it worth trying again?

use bollard::errors::Error;
use sluice_ports::{Fault, PortError};

/// Turns an error of the engine into one of the port.
pub(crate) fn port_error(operation: impl Into<String>, error: Error) -> PortError {
    PortError::new(fault(&error), operation, error)
}

/// A refusal of our own, for good.
pub(crate) fn refuse(operation: impl Into<String>, why: impl Into<String>) -> PortError {
    PortError::new(Fault::Permanent, operation, why.into())
}

/// Whether the engine says that the thing is not there.
pub(crate) fn is_not_found(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the engine says that the thing is there already, or is being removed just now.
pub(crate) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether it is worth trying again.
pub(crate) fn fault(error: &Error) -> Fault {
    match error {
        Error::DockerResponseServerError { status_code, .. } => match status_code {
            404 => Fault::NotFound,
            409 => Fault::Conflict,
            // 500 is what the engine answers for most of its own troubles: no disk, a driver that timed out.
            429 | 500..=599 => Fault::Transient,
            _ => Fault::Permanent,
        },
        Error::DockerStreamError { error } => stream_fault(error),
        Error::UnsupportedURISchemeError { .. }
        | Error::URLParseError { .. }
        | Error::InvalidURIError { .. }
        | Error::InvalidURIPartsError { .. }
        | Error::JsonSerdeError { .. }
        | Error::URLEncodedError { .. } => Fault::Permanent,
        // What is left is a connection that failed, broke or was too slow.
        _ => Fault::Transient,
    }
}

/// Errors in the middle of a pull come as text alone.
fn stream_fault(text: &str) -> Fault {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["not found", "manifest unknown", "does not exist"]) {
        Fault::NotFound
    } else if says(&["denied", "unauthorized", "no matching manifest", "no space left"]) {
        Fault::Permanent
    } else {
        Fault::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_engine_says_whether_to_try_again() {
        for (status_code, expect) in [
            (400, Fault::Permanent),
            (404, Fault::NotFound),
            (409, Fault::Conflict),
            (429, Fault::Transient),
            (500, Fault::Transient),
            (503, Fault::Transient),
        ] {
            let error = Error::DockerResponseServerError { status_code, message: String::new() };
            assert_eq!(fault(&error), expect, "{status_code}");
        }
        assert_eq!(fault(&Error::RequestTimeoutError), Fault::Transient);
    }

    #[test]
    fn a_pull_that_no_registry_can_answer_is_told_from_one_that_is_refused() {
        for (error, expect) in [
            ("manifest for x:1 not found: manifest unknown", Fault::NotFound),
            ("pull access denied for x", Fault::Permanent),
            ("dial tcp: i/o timeout", Fault::Transient),
        ] {
            assert_eq!(stream_fault(error), expect, "{error}");
        }
    }
}
