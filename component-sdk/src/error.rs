//! How a function says that it failed, and whether the same input may succeed later.
//!
//! An [`Error`] becomes the `error` of an outcome: a stable code for machines, one sentence for people. It holds no
//! secret and no payload; the author sees to that.

use std::fmt;
use std::time::Duration;

use sluice_protocol::{ErrorInfo, Status};

/// Why a run failed or wants to be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    info: ErrorInfo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failure,
    Rebound,
    Parked,
}

impl Error {
    /// The same input may succeed later: the other side is down, busy or slow.
    #[must_use]
    pub fn retryable(code: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Failure, info: ErrorInfo::new(code, &message.to_string(), true) }
    }

    /// The same input fails every time: it, the config or the credentials are wrong.
    #[must_use]
    pub fn fatal(code: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Failure, info: ErrorInfo::new(code, &message.to_string(), false) }
    }

    /// Nothing failed, but the input is to come again later, as the next attempt. No retry policy applies; after a
    /// hundred attempts it is given up.
    #[must_use]
    pub fn rebound(code: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Rebound, info: ErrorInfo::new(code, &message.to_string(), true) }
    }

    /// The input cannot be processed until a person has authorised the instance again. It waits until then, and its
    /// attempt is not burned.
    #[must_use]
    pub fn parked(code: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Parked, info: ErrorInfo::new(code, &message.to_string(), true) }
    }

    /// How long the other side asked to wait, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.info.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.info.code
    }

    /// Whether the same input may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.info.retryable
    }

    /// The status of the outcome that tells of it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.kind {
            Kind::Failure => Status::Error,
            Kind::Rebound => Status::Rebound,
            Kind::Parked => Status::Parked,
        }
    }

    /// The form that travels in an outcome.
    #[must_use]
    pub fn into_info(self) -> ErrorInfo {
        self.info
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.info.code, self.info.message)
    }
}

impl std::error::Error for Error {}

/// Prints an error with all that caused it, for messages and logs.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let sentence = cause.to_string();
        // Foreign errors often print their source themselves.
        if !text.contains(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        let error = Error::retryable("busy", "later").retry_after(Duration::from_millis(1200));
        assert_eq!(error.clone().into_info().retry_after, Some(2));
        assert_eq!((error.status(), error.is_retryable()), (Status::Error, true));
    }

    #[test]
    fn a_rebound_and_a_parked_input_are_no_failures() {
        assert_eq!(Error::rebound("quota", "later").status(), Status::Rebound);
        assert_eq!(Error::parked("needs_reauth", "ask").status(), Status::Parked);
    }

    #[test]
    fn a_chain_prints_each_cause_once() {
        let inner = std::io::Error::other("refused");
        let outer = std::io::Error::other(inner);
        assert_eq!(chain(&outer), "refused");
    }
}
