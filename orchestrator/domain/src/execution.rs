//! Executions and step runs: the history of what flows did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_protocol::{ErrorInfo, ExecutionId, MessageId};

use crate::{FlowId, FlowVersion, StepId};

/// Everything that follows from one message that a trigger emitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The flow.
    pub flow: FlowId,
    /// The version of the flow that it runs on.
    pub version: FlowVersion,
    /// The execution that it repeats, when an operator retried one.
    pub retry_of: Option<ExecutionId>,
    /// How it stands, derived from its step runs.
    pub status: ExecutionStatus,
    /// When its trigger emitted the message.
    pub started_at: DateTime<Utc>,
    /// When something happened in it last.
    pub updated_at: DateTime<Utc>,
    /// How many step runs are recorded.
    pub runs: u64,
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// Something is still under way.
    Running,
    /// Everything was done.
    Succeeded,
    /// Nothing is under way any more, and something failed for good.
    Failed,
}

/// One step's part in an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRun {
    /// The message that the step processed.
    pub id: MessageId,
    /// The execution.
    pub execution: ExecutionId,
    /// The flow.
    pub flow: FlowId,
    /// The version of the flow.
    pub version: FlowVersion,
    /// The step.
    pub step: StepId,
    /// How it stands.
    pub status: RunStatus,
    /// The attempt that this tells of.
    pub attempt: u32,
    /// The input as JSON, cut to the recorder's cap; absent while only the outcome is known.
    pub input: Option<RecordedBody>,
    /// The outputs as a JSON array of `{port, body}`, cut to the cap.
    pub output: Option<RecordedBody>,
    /// The router's context of the message, needed to run it again.
    pub context: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// Microseconds that the function ran.
    pub micros: u64,
    /// When this was noted.
    pub at: DateTime<Utc>,
}

/// A body as history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBody {
    /// JSON text, or the beginning of it.
    pub text: String,
    /// How many bytes the whole had.
    pub bytes: u64,
}

impl RecordedBody {
    /// Whether the text is only the beginning.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        (self.text.len() as u64) < self.bytes
    }
}

/// How a step run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The message is in the step's lane. An outcome moves it on.
    Queued,
    /// It failed and waits for its next attempt. The retry tier moves it on.
    Retrying,
    /// It was done. Final.
    Succeeded,
    /// It failed for good and took the error route. Final.
    Handled,
    /// It failed for good and is a dead letter. An operator moves it on.
    Dead,
}

impl RunStatus {
    /// The name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Handled => "handled",
            Self::Dead => "dead",
        }
    }
}
