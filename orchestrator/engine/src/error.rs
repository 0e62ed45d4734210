//! What a command answers when it cannot be done.

use sluice_planner::Report;
use sluice_ports::{Fault, PortError};

/// Why a command was not done. Every variant but the last two is the caller's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The files have errors.
    #[error("the files have errors")]
    Invalid(Report),
    /// The thing is not there.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name or id as given.
        name: String,
    },
    /// The thing is in a state that forbids it.
    #[error("{message}")]
    Conflict {
        /// A stable code.
        code: &'static str,
        /// One sentence.
        message: String,
    },
    /// The request makes no sense.
    #[error("{message}")]
    BadRequest {
        /// A stable code.
        code: &'static str,
        /// One sentence.
        message: String,
    },
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// The broker, the container engine or the store is away; the same call may succeed later.
    #[error("a service that is needed is away")]
    Unavailable(#[source] PortError),
    /// A fault of Sluice or of what it runs on.
    #[error("the command failed")]
    Internal(#[source] PortError),
}

impl From<PortError> for CommandError {
    fn from(error: PortError) -> Self {
        match error.fault {
            Fault::Transient => Self::Unavailable(error),
            Fault::Conflict => Self::Conflict {
                code: "changed_meanwhile",
                message: format!("{error}; look again and repeat"),
            },
            Fault::NotFound | Fault::Permanent => Self::Internal(error),
        }
    }
}

impl CommandError {
    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string().chars().take(100).collect() }
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::BadRequest { code, message: message.into() }
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }
}
