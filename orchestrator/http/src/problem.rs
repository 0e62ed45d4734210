//! Refusals (RFC 9457): how they are made, and how errors of the engine become them.
//!
//! A refusal is rendered twice: here, and again by the outermost layer, which adds the id of the request. Internal causes
//! go to the log under that id and never into an answer.

mod code;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sluice_engine::CommandError;
use sluice_planner::Report;
use tracing::{error, warn};

pub use code::ErrorCode;

use crate::dto;

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    detail: String,
    reason: Option<&'static str>,
    diagnostics: Option<Report>,
}

/// Seconds after which a client may ask again when something is away.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl Refusal {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), reason: None, diagnostics: None }
    }

    /// With a finer, stable reason.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub(crate) fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what} `{name}`"))
    }

    /// As it is sent.
    pub(crate) fn present(&self, request_id: &str) -> dto::Problem {
        dto::Problem {
            kind: format!("/errors/{}", self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().to_owned(),
            reason: self.reason.map(str::to_owned),
            request_id: request_id.to_owned(),
            diagnostics: self.diagnostics.iter().flatten().map(Into::into).collect(),
        }
    }

    /// The answer, with the id of the request that it belongs to.
    pub(crate) fn respond(self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.present(request_id)).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sluice\""));
        }
        if matches!(self.code, ErrorCode::Unavailable | ErrorCode::Crowded) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.respond("")
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Invalid(report) => Self::invalid(report),
            CommandError::NotFound { what, name } => Self::not_found(what, name),
            CommandError::Conflict { code, message } => {
                Self { reason: Some(code), ..Self::new(ErrorCode::Conflict, message) }
            }
            CommandError::BadRequest { code, message } => {
                Self { reason: Some(code), ..Self::new(ErrorCode::BadRequest, message) }
            }
            CommandError::TimedOut(message) => Self::new(ErrorCode::TimedOut, message),
            CommandError::Unavailable(cause) => {
                warn!(error = chain(&cause), "a service is away");
                let detail =
                    format!("a service that is needed is away: {cause}; `sluice doctor` finds out more");
                Self::new(ErrorCode::Unavailable, detail)
            }
            CommandError::Internal(cause) => {
                error!(error = chain(&cause), "a command failed");
                Self::new(
                    ErrorCode::Internal,
                    "the command failed; the log has the cause under the request's id",
                )
            }
        }
    }
}

impl Refusal {
    fn invalid(report: Report) -> Self {
        let count = report.errors().count();
        let detail = if count == 1 {
            "the files have an error".to_owned()
        } else {
            format!("the files have {count} errors")
        };
        Self { diagnostics: Some(report), ..Self::new(ErrorCode::InvalidFiles, detail) }
    }
}

/// An error and its sources in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |cause| cause.source());
    sources.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page() {
        for code in ErrorCode::ALL {
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.as_str());
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
            assert!(text.starts_with(&format!("# {}", code.as_str())), "{page}");
        }
    }
}
