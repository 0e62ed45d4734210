//! The error that every port shares.

use std::error::Error;
use std::fmt;

/// Whether it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The other side is away or busy; the same call may succeed later.
    Transient,
    /// The thing is not there.
    NotFound,
    /// The thing is there already, or was changed by somebody else.
    Conflict,
    /// The same call will fail again.
    Permanent,
}

/// A call to a port that failed.
#[derive(Debug)]
pub struct PortError {
    /// Whether it is worth trying again.
    pub fault: Fault,
    /// What was tried, for example `start container sluice-x`.
    pub operation: String,
    /// Why it failed. Never holds a secret.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error of an operation, with its cause.
    pub fn new(
        fault: Fault,
        operation: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { fault, operation: operation.into(), source: Some(source.into()) }
    }

    /// The thing that an operation was about is not there.
    pub fn not_found(operation: impl Into<String>) -> Self {
        Self { fault: Fault::NotFound, operation: operation.into(), source: None }
    }

    /// The thing that an operation was to make is there already, or was changed meanwhile.
    pub fn conflict(operation: impl Into<String>) -> Self {
        Self { fault: Fault::Conflict, operation: operation.into(), source: None }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.fault == Fault::Transient
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::Transient => "cannot now",
            Fault::NotFound => "nothing there to",
            Fault::Conflict => "conflict: cannot",
            Fault::Permanent => "cannot",
        };
        write!(f, "{what} {}", self.operation)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
