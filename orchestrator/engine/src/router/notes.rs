//! The router's notes about a message, which travel with it as its opaque context.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluice_domain::StepId;
use sluice_domain::compiled::Carry;

/// The notes about a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Whether history records the execution.
    #[serde(default, rename = "r", skip_serializing_if = "is_false")]
    pub(crate) recorded: bool,
    /// The outputs of earlier steps that a later mapping reads.
    #[serde(default, rename = "s", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) steps: BTreeMap<StepId, Earlier>,
    /// The cursor that a tick carries, so that a retry of it carries the same.
    #[serde(default, rename = "c", skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<Value>,
}

/// What an earlier step emitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Earlier {
    /// The body.
    #[serde(rename = "b")]
    pub(crate) body: Value,
    /// The headers.
    #[serde(default, rename = "h", skip_serializing_if = "Map::is_empty")]
    pub(crate) headers: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Notes {
    /// Reads the context of a record. A component that changed it only harms its own messages.
    pub(crate) fn read(context: Option<&RawValue>) -> Self {
        context.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// The notes for a message to a step that carries `carry`.
    pub(crate) fn for_step(&self, carry: &Carry) -> Self {
        let steps = self.steps.iter().filter(|(step, _)| carry.has(step));
        Self {
            recorded: self.recorded,
            steps: steps.map(|(step, earlier)| (step.clone(), earlier.clone())).collect(),
            cursor: None,
        }
    }

    /// The text form; none when there is nothing to say.
    pub(crate) fn write(&self) -> Option<Box<RawValue>> {
        if *self == Self::default() {
            return None;
        }
        Some(serde_json::value::to_raw_value(self).expect("notes are plain JSON"))
    }
}
