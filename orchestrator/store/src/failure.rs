//! What went wrong inside the store, and what that means for a caller.

use sluice_ports::{Fault, PortError};

/// A statement, row or rule that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the database refused")]
    Sql(#[from] sqlx::Error),
    #[error("the column `{column}` holds what nobody here wrote")]
    Row { column: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("it cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Conflict(&'static str),
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Refused(&'static str),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// The error of the port that this is for a caller of `operation`.
    pub(crate) fn of(self, operation: impl Into<String>) -> PortError {
        let fault = match &self {
            Self::Sql(error) => sql_fault(error),
            Self::Row { .. } | Self::Json(_) | Self::Refused(_) => Fault::Permanent,
            Self::Conflict(_) => Fault::Conflict,
            Self::NotFound(_) => Fault::NotFound,
        };
        PortError::new(fault, operation, self)
    }
}

fn sql_fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) if error.is_unique_violation() => Fault::Conflict,
        // The only foreign keys are those that say: the thing that this belongs to is gone.
        sqlx::Error::Database(error) if error.is_foreign_key_violation() => Fault::NotFound,
        sqlx::Error::Database(error) => match primary_code(error.as_ref()) {
            // Busy, locked, out of memory, read-only for now, input/output, disk full, cannot open.
            Some(5 | 6 | 7 | 8 | 10 | 13 | 14) => Fault::Transient,
            _ => Fault::Permanent,
        },
        // A connection that did not survive what happened to the disk; the next call has another.
        sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => {
            Fault::Transient
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => Fault::Transient,
        _ => Fault::Permanent,
    }
}

/// SQLite's primary result code: the low byte of the extended one.
pub(crate) fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    Some(error.code()?.parse::<i32>().ok()? & 0xff)
}
