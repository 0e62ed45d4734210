//! A single call of a function, outside any flow.
//!
//! An envelope that carries one says itself what to run, so a component needs no assignment for it: the call of any
//! function with any instance costs one message each way. Its outcomes go the way of all outcomes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gateway::Role;
use crate::{FunctionName, MessageId, StepKey};

/// The port of what a function tells about its traffic with the other side, when it is asked to
/// ([`Invocation::trace`]).
pub const EXCHANGE_PORT: &str = "exchange";

/// What the step keys of invocations begin with.
const PREFIX: &str = "invocation/";

/// What to run for one envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// The function.
    pub function: FunctionName,
    /// How the function gets its work: an action gets the body, a polling trigger the envelope's `state`.
    pub role: Role,
    /// What a step's config would be.
    pub config: Value,
    /// The instance whose settings and secrets it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The [`Credentials::revision`](crate::gateway::Credentials::revision) of the instance when this was asked for: what
    /// is kept of another one is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Milliseconds that the run may take.
    pub timeout_ms: u64,
    /// The routing key of its outcomes.
    pub routing_key: String,
    /// When nobody waits for it any more, in unix milliseconds: a component that gets it later drops it.
    pub expires_at: i64,
    /// Whether to tell about the traffic with the other side, on the port [`EXCHANGE_PORT`].
    #[serde(default)]
    pub trace: bool,
    /// How many calls from one instance to another led here ([`InvokeRequest`](crate::gateway::InvokeRequest)).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(depth: &u8) -> bool {
    *depth == 0
}

/// The step key of an invocation.
#[must_use]
pub fn step_key(id: MessageId) -> StepKey {
    format!("{PREFIX}{id}").parse().expect("an id is short printable ASCII")
}

/// The invocation that a step key names; none when it names a step.
#[must_use]
pub fn of_step_key(key: &StepKey) -> Option<MessageId> {
    key.as_str().strip_prefix(PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_key_names_its_invocation() {
        let id = MessageId::from_bits(7);
        assert_eq!(of_step_key(&step_key(id)), Some(id));
        for text in ["invocation/", "invocation/x", "flow_0/1/push"] {
            assert_eq!(of_step_key(&text.parse().unwrap()), None, "{text}");
        }
    }
}
