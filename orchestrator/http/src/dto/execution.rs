//! Executions and their step runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_domain::{ExecutionStatus, RecordedBody};
use sluice_protocol::ErrorInfo;
use utoipa::ToSchema;

/// Everything that follows from one message that a trigger emitted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// The id of the flow.
    pub flow: String,
    /// The version of the flow that it runs on.
    pub version: u32,
    /// The execution that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// `running`, `succeeded` or `failed`.
    pub status: String,
    /// When its trigger emitted the message.
    pub started_at: DateTime<Utc>,
    /// When something happened in it last.
    pub updated_at: DateTime<Utc>,
    /// How many step runs are recorded.
    pub runs: u64,
}

/// An execution with its step runs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExecutionDetail {
    /// The execution.
    #[serde(flatten)]
    pub execution: Execution,
    /// Its step runs in the order in which they were first noted.
    pub step_runs: Vec<StepRun>,
}

/// One step's part in an execution.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StepRun {
    /// The id of the message.
    pub id: String,
    /// The id of the execution.
    pub execution: String,
    /// The id of the flow.
    pub flow: String,
    /// The version of the flow.
    pub version: u32,
    /// The step.
    pub step: String,
    /// `queued`, `retrying`, `succeeded`, `handled` or `dead`.
    pub status: String,
    /// The attempt that this tells of.
    pub attempt: u32,
    /// The input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Recorded>,
    /// The outputs, a list of `{port, body}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Recorded>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Microseconds that the function ran.
    pub micros: u64,
    /// When this was noted.
    pub at: DateTime<Utc>,
}

/// A body as history keeps it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// The value, when the whole of it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The beginning of its JSON text, when only that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beginning: Option<String>,
    /// How many bytes the whole had.
    pub bytes: u64,
}

/// Why something failed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The component's code.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Whether the component called it retryable.
    pub retryable: bool,
}

/// How to run an execution again.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The step to begin at; the trigger's output when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Another input for that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// The execution that was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// Its id.
    pub execution: String,
}

pub(crate) fn status_name(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Running => "running",
        ExecutionStatus::Succeeded => "succeeded",
        ExecutionStatus::Failed => "failed",
    }
}

impl From<sluice_domain::Execution> for Execution {
    fn from(execution: sluice_domain::Execution) -> Self {
        Self {
            id: execution.id.to_string(),
            flow: execution.flow.to_string(),
            version: execution.version.0,
            retry_of: execution.retry_of.map(|id| id.to_string()),
            status: status_name(execution.status).to_owned(),
            started_at: execution.started_at,
            updated_at: execution.updated_at,
            runs: execution.runs,
        }
    }
}

impl From<sluice_domain::StepRun> for StepRun {
    fn from(run: sluice_domain::StepRun) -> Self {
        Self {
            id: run.id.to_string(),
            execution: run.execution.to_string(),
            flow: run.flow.to_string(),
            version: run.version.0,
            step: run.step.to_string(),
            status: run.status.as_str().to_owned(),
            attempt: run.attempt,
            input: run.input.map(Into::into),
            output: run.output.map(Into::into),
            error: run.error.map(Into::into),
            micros: run.micros,
            at: run.at,
        }
    }
}

impl From<RecordedBody> for Recorded {
    fn from(body: RecordedBody) -> Self {
        let value = if body.is_cut() { None } else { serde_json::from_str(&body.text).ok() };
        let beginning = value.is_none().then_some(body.text);
        Self { value, beginning, bytes: body.bytes }
    }
}

impl From<ErrorInfo> for Failure {
    fn from(error: ErrorInfo) -> Self {
        Self { code: error.code, message: error.message, retryable: error.retryable }
    }
}
