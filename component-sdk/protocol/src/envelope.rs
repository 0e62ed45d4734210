//! The record that the router sends to a component.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::invocation::Invocation;
use crate::{ExecutionId, MessageId, StepKey};

/// The headers of a message: names to JSON values, at most [`limits::HEADERS`](crate::limits::HEADERS).
pub type Headers = Map<String, Value>;

/// One input of one step: one line of NDJSON in a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// The id of this message, the same in every redelivery and retry.
    pub id: MessageId,
    /// The step that is to process it.
    pub step: StepKey,
    /// The execution it belongs to; absent in the tick of a polling trigger, which starts executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
    /// Which attempt this is, from 1. Counted by the router, never by the broker.
    #[serde(default = "first")]
    pub attempt: u32,
    /// How often a consumer of this message died or lost its connection before it answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspected: u32,
    /// The input of the step, already mapped.
    pub body: Box<RawValue>,
    /// Headers that the step before gave the message.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Headers,
    /// The router's own notes about the message. A component sends them back untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// The cursor that a polling trigger returned last; only in its ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// The W3C trace context (Trace Context, section 3.2) of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What to run, where the envelope belongs to no step of a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Box<Invocation>>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_keeps_its_body_to_the_letter() {
        let line = format!(
            r#"{{"id":"{}","step":"flow_x/1/push","attempt":2,"body":{{"n": 12345678901234567890123, "a":1.10}}}}"#,
            MessageId::from_bits(1)
        );
        let envelope: Envelope = serde_json::from_str(&line).unwrap();
        assert_eq!(envelope.body.get(), r#"{"n": 12345678901234567890123, "a":1.10}"#);
        assert_eq!((envelope.attempt, envelope.suspected), (2, 0));
        assert_eq!(serde_json::to_string(&envelope).unwrap(), line);
    }
}
