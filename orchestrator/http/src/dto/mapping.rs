//! Trying out mappings and expressions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What to evaluate: exactly one of `mapping`, `jsonata` and `jsonpath`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// A mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Value>,
    /// A JSONata expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsonata: Option<String>,
    /// A JSONPath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsonpath: Option<String>,
    /// The root that it reads.
    #[serde(default)]
    pub input: Value,
}

/// What it gives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Evaluated {
    /// The value; absent when it gives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}
