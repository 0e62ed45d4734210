//! Dead letters: inputs that could not be processed within their policy, kept until somebody decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_protocol::{ErrorInfo, ExecutionId, Headers, MessageId};

use crate::{DeadLetterId, ExitInfo, StepAddress};

/// An input that could not be processed within its policy.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its id, derived from the message and its attempt, so that the same death is kept once.
    pub id: DeadLetterId,
    /// The message.
    pub message: MessageId,
    /// The execution, where there is one.
    pub execution: Option<ExecutionId>,
    /// The step; absent when the record did not say a valid one.
    pub step: Option<StepAddress>,
    /// Why it is here.
    pub reason: DeadReason,
    /// The last error.
    pub error: ErrorInfo,
    /// Attempts that failed.
    pub attempts: u32,
    /// How often its consumer died.
    pub suspected: u32,
    /// How the container last ended, when that is the reason.
    pub exit: Option<ExitInfo>,
    /// The input, as JSON text.
    pub body: String,
    /// Its headers.
    pub headers: Headers,
    /// The router's context.
    pub context: Option<String>,
    /// How it stands.
    pub state: DeadLetterState,
    /// Counts its redrives: each one gives the message a new id, so that nobody takes it for a duplicate.
    pub redrives: u32,
    /// When it came here.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl DeadLetter {
    /// The id of the dead letter of a message that died at an attempt.
    #[must_use]
    pub fn id_of(message: MessageId, attempt: u32, suspected: u32) -> DeadLetterId {
        let key = [attempt.to_be_bytes(), suspected.to_be_bytes()].concat();
        DeadLetterId::from_bits(MessageId::derive(&message.to_string(), &key).bits())
    }

    /// The id that the message gets when it is redriven for the `redrives`th time.
    #[must_use]
    pub fn redriven_as(&self, redrives: u32) -> MessageId {
        MessageId::derive(&self.id.to_string(), &redrives.to_be_bytes())
    }
}

/// Why an input became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The policy does not retry the error.
    Failed,
    /// All attempts failed.
    Exhausted,
    /// Its consumer died too often.
    Crashed,
    /// A condition, split or mapping on its way into a step failed.
    Mapping,
    /// No step, or no lane, is there for it any more.
    Unroutable,
    /// The record was not understood.
    Malformed,
}

impl DeadReason {
    /// The name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Exhausted => "exhausted",
            Self::Crashed => "crashed",
            Self::Mapping => "mapping",
            Self::Unroutable => "unroutable",
            Self::Malformed => "malformed",
        }
    }
}

/// How a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetterState {
    /// It waits for a decision. An operator moves it on.
    Waiting,
    /// It was sent to its step again. Final, unless the message dies again, which makes another dead letter.
    Redriven,
    /// It was thrown away by an operator. Final.
    Discarded,
}

impl DeadLetterState {
    /// The name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}
