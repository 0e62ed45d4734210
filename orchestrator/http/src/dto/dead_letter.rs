//! Dead letters.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Failure, Recorded};

/// An input that could not be processed within its policy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// The id of the message.
    pub message: String,
    /// The id of the execution, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// The id of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The version of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why it is here: `failed`, `exhausted`, `crashed`, `mapping`, `unroutable` or `malformed`.
    pub reason: String,
    /// The last error.
    pub error: Failure,
    /// Attempts that failed.
    pub attempts: u32,
    /// How often its consumer died.
    pub suspected: u32,
    /// How the container last ended, when that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The input.
    pub body: Recorded,
    /// Its headers.
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
    /// `waiting`, `redriven` or `discarded`.
    pub state: String,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it came here.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// How a container ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Exit {
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub code: i64,
    /// Whether the kernel ended it because it used more memory than it may.
    pub out_of_memory: bool,
}

/// Another input.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditDeadLetter {
    /// The input.
    pub body: Value,
}

/// Whether a dead letter was moved on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// False when it had been moved on before.
    pub moved: bool,
}

/// How many dead letters were moved on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Count {
    /// How many.
    pub count: u64,
}

impl From<sluice_domain::ExitInfo> for Exit {
    fn from(exit: sluice_domain::ExitInfo) -> Self {
        Self { code: exit.code, out_of_memory: exit.out_of_memory }
    }
}

impl From<sluice_domain::DeadLetter> for DeadLetter {
    fn from(letter: sluice_domain::DeadLetter) -> Self {
        let bytes = letter.body.len() as u64;
        let value: Option<Value> = serde_json::from_str(&letter.body).ok();
        let beginning = value.is_none().then_some(letter.body);
        let step = letter.step.as_ref();
        Self {
            id: letter.id.to_string(),
            message: letter.message.to_string(),
            execution: letter.execution.map(|id| id.to_string()),
            flow: step.map(|address| address.flow.to_string()),
            version: step.map(|address| address.version.0),
            step: step.map(|address| address.step.to_string()),
            reason: letter.reason.as_str().to_owned(),
            error: letter.error.into(),
            attempts: letter.attempts,
            suspected: letter.suspected,
            exit: letter.exit.map(Into::into),
            body: Recorded { value, beginning, bytes },
            headers: letter.headers,
            state: letter.state.as_str().to_owned(),
            redrives: letter.redrives,
            created_at: letter.created_at,
            updated_at: letter.updated_at,
        }
    }
}
