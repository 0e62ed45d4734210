//! The records that the router writes: envelopes for components, and its own for retries and replays.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sluice_domain::topology::LaneName;
use sluice_protocol::{ExecutionId, Headers, MessageId, StepKey};

/// The `type` property of retries, which only the router reads.
pub(crate) const RETRY: &str = "sluice.retry.v1";
/// The `type` property of replays, which only the router reads.
pub(crate) const REPLAY: &str = "sluice.replay.v1";

/// An envelope as the router writes it, without copying what it was given. Its form is
/// [`sluice_protocol::Envelope`]'s; the body comes last, since it may be text already.
#[derive(Debug, Serialize)]
pub(crate) struct EnvelopeRef<'a> {
    pub(crate) id: MessageId,
    pub(crate) step: &'a StepKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) suspected: u32,
    #[serde(skip)]
    pub(crate) body: Body<'a>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub(crate) headers: &'a Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<&'a str>,
}

/// A body, parsed or not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// JSON text on one line.
    Text(&'a str),
    Value(&'a Value),
}

impl Body<'_> {
    /// The JSON text.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Value(value) => value.to_string(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl EnvelopeRef<'_> {
    /// The record.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        const PLAIN: &str = "an envelope is plain JSON";
        let size = match self.body {
            Body::Text(text) => text.len(),
            Body::Value(_) => 1024,
        };
        let mut record =
            Vec::with_capacity(size + 384 + self.context.map_or(0, |context| context.get().len()));
        serde_json::to_writer(&mut record, self).expect(PLAIN);
        // An envelope has an id, so there is a member before this one.
        record.pop();
        record.extend_from_slice(br#","body":"#);
        match self.body {
            Body::Text(text) => record.extend_from_slice(text.as_bytes()),
            Body::Value(value) => serde_json::to_writer(&mut record, value).expect(PLAIN),
        }
        record.push(b'}');
        record
    }
}

/// An envelope that waits in a retry tier.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Retry {
    /// When it is due, in unix milliseconds.
    pub(crate) due: i64,
    /// Where it goes then.
    pub(crate) lane: LaneName,
    /// The message.
    pub(crate) id: MessageId,
    /// The envelope.
    pub(crate) envelope: Box<RawValue>,
}

/// A message that an operator sends to a step again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Its new id.
    pub(crate) id: MessageId,
    /// The step.
    pub(crate) step: StepKey,
    /// The execution.
    pub(crate) execution: Option<ExecutionId>,
    /// The body.
    pub(crate) body: Box<RawValue>,
    /// The headers.
    #[serde(default)]
    pub(crate) headers: Headers,
    /// The router's notes.
    pub(crate) context: Option<Box<RawValue>>,
    /// Whether the step's gate is still to be passed.
    pub(crate) gated: bool,
}
