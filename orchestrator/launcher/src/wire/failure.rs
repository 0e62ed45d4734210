//! A call that failed, on its way back: its kind, what was tried, and each cause as a text.

use std::error::Error;
use std::fmt;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use sluice_ports::PortError;

use crate::refusal::Refusal;

/// A call that failed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The code of a refusal of the launcher's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    fault: Fault,
    operation: String,
    causes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Transient,
    NotFound,
    Conflict,
    Permanent,
}

impl From<sluice_ports::Fault> for Fault {
    fn from(fault: sluice_ports::Fault) -> Self {
        match fault {
            sluice_ports::Fault::Transient => Self::Transient,
            sluice_ports::Fault::NotFound => Self::NotFound,
            sluice_ports::Fault::Conflict => Self::Conflict,
            sluice_ports::Fault::Permanent => Self::Permanent,
        }
    }
}

impl From<Fault> for sluice_ports::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Transient => Self::Transient,
            Fault::NotFound => Self::NotFound,
            Fault::Conflict => Self::Conflict,
            Fault::Permanent => Self::Permanent,
        }
    }
}

impl Failure {
    /// A refusal of the launcher's own, of an operation.
    pub(crate) fn refused(refusal: &Refusal, operation: String) -> Self {
        Self {
            code: Some(refusal.code.as_str().to_owned()),
            fault: refusal.code.fault().into(),
            operation,
            causes: vec![format!("{}: {}", refusal.code.as_str(), refusal.detail)],
        }
    }

    /// The status that goes with it.
    pub(crate) fn status(&self) -> StatusCode {
        match self.fault {
            Fault::Transient => StatusCode::SERVICE_UNAVAILABLE,
            Fault::NotFound => StatusCode::NOT_FOUND,
            Fault::Conflict => StatusCode::CONFLICT,
            Fault::Permanent => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl From<&PortError> for Failure {
    fn from(error: &PortError) -> Self {
        let mut causes = Vec::new();
        let mut source = Error::source(error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { code: None, fault: error.fault.into(), operation: error.operation.clone(), causes }
    }
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        let source =
            failure.causes.into_iter().rev().fold(None, |cause, text| {
                Some(Box::new(Said { text, cause }) as Box<dyn Error + Send + Sync>)
            });
        Self { fault: failure.fault.into(), operation: failure.operation, source }
    }
}

/// A cause on the other side.
#[derive(Debug)]
struct Said {
    text: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_on_the_other_side_what_it_was_on_this() {
        use sluice_ports::Fault;
        let deep = Said { text: "outer".to_owned(), cause: Some("inner".into()) };
        let bare = PortError::not_found("read the log of container x");
        for error in [PortError::new(Fault::Conflict, "make container x", deep), bare] {
            let sent = serde_json::to_vec(&Failure::from(&error)).unwrap();
            let got = PortError::from(serde_json::from_slice::<Failure>(&sent).unwrap());
            assert_eq!((got.fault, &got.operation), (error.fault, &error.operation));
            assert_eq!(Failure::from(&got), Failure::from(&error), "the causes are the same");
        }
    }
}
