//! Triggers of all kinds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{PollingTrigger, WebhookTrigger};

/// A trigger. Its `kind` says which fields it has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Trigger {
    /// `kind: polling`.
    Polling(Box<PollingTrigger>),
    /// `kind: webhook`.
    Webhook(Box<WebhookTrigger>),
}

impl Trigger {
    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Polling(trigger) => &trigger.title,
            Self::Webhook(trigger) => &trigger.title,
        }
    }

    /// What it does, in Markdown.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::Polling(trigger) => &trigger.description,
            Self::Webhook(trigger) => &trigger.description,
        }
    }

    /// JSON Schema of a step's config.
    #[must_use]
    pub fn config(&self) -> &Option<Value> {
        match self {
            Self::Polling(trigger) => &trigger.config,
            Self::Webhook(trigger) => &trigger.config,
        }
    }

    /// JSON Schema of what it emits.
    #[must_use]
    pub fn output(&self) -> &Option<Value> {
        match self {
            Self::Polling(trigger) => &trigger.output,
            Self::Webhook(trigger) => &trigger.output,
        }
    }
}

// By hand, since errors should be about the fields of the kind that is meant.
impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = match value.get("kind").and_then(Value::as_str) {
            Some("webhook") => serde_json::from_value(value).map(Self::Webhook),
            Some(_) | None => serde_json::from_value(value).map(Self::Polling),
        };
        read.map_err(D::Error::custom)
    }
}

impl JsonSchema for Trigger {
    fn schema_name() -> Cow<'static, str> {
        "Trigger".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let is = |kind: &str| serde_json::json!({ "properties": { "kind": { "const": kind } }, "required": ["kind"] });
        let (polling, webhook) =
            (generator.subschema_for::<PollingTrigger>(), generator.subschema_for::<WebhookTrigger>());
        json_schema!({
            "description": "A trigger. Its `kind` says which fields it has.",
            "type": "object",
            "required": ["kind"],
            "properties": { "kind": { "enum": ["polling", "webhook"] } },
            "allOf": [
                { "if": is("polling"), "then": polling },
                { "if": is("webhook"), "then": webhook },
            ],
        })
    }
}
