//! Refusals (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of refusal; the documentation has a page for it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of refusal in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this very request.
    pub detail: String,
    /// A stable code, for example `A0003`.
    pub code: String,
    /// A finer, stable reason, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the request, also in the header `x-request-id` and in the log.
    #[serde(default)]
    pub request_id: String,
    /// The faults of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// One fault of one file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// A stable code, for example `F0011`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl From<&sluice_planner::Diagnostic> for Diagnostic {
    fn from(found: &sluice_planner::Diagnostic) -> Self {
        Self {
            code: found.code.to_string(),
            severity: found.severity.to_string(),
            file: found.file.clone(),
            line: found.line,
            column: found.column,
            message: found.message.clone(),
            help: found.help.clone(),
        }
    }
}
