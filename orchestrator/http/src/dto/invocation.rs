//! Running one function of an instance outside any flow.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::execution::Failure;

/// What to run, and how.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// What an action gets as its body; what a polling trigger gets as its cursor.
    #[serde(default)]
    pub input: Value,
    /// What a step's config would be.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// How many seconds it may take, starting the container included: 1 to 50, 30 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Whether to tell about each request to the other side and its answer, secrets masked.
    #[serde(default)]
    pub raw: bool,
}

/// What came of it. A run that failed is told here too.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Invoked {
    /// `succeeded` or `failed`.
    pub status: String,
    /// What it emitted.
    pub outputs: Vec<InvokedOutput>,
    /// The cursor that a polling trigger returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Each request to the other side and its answer; only with `raw`, and only where the component tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Value>,
    /// How long the function ran, in microseconds.
    pub micros: u64,
    /// How long all of it took, starting the container included, in microseconds.
    pub elapsed_micros: u64,
    /// Whether outputs were left out because together they have more than 16 MiB.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One message that it emitted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvokedOutput {
    /// The port it left through.
    pub port: String,
    /// Its body.
    pub body: Value,
    /// Its headers.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
}

impl From<sluice_engine::Invoked> for Invoked {
    fn from(invoked: sluice_engine::Invoked) -> Self {
        let value = |raw: &serde_json::value::RawValue| serde_json::from_str(raw.get()).unwrap_or_default();
        let output = |output: sluice_protocol::Output| InvokedOutput {
            port: output.port.to_string(),
            body: value(&output.body),
            headers: output.headers,
        };
        Self {
            status: if invoked.error.is_none() { "succeeded" } else { "failed" }.to_owned(),
            outputs: invoked.outputs.into_iter().map(output).collect(),
            state: invoked.state,
            error: invoked.error.map(Into::into),
            exchanges: invoked.exchanges.iter().map(|raw| value(raw)).collect(),
            micros: invoked.micros,
            elapsed_micros: u64::try_from(invoked.elapsed.as_micros()).unwrap_or(u64::MAX),
            truncated: invoked.truncated,
        }
    }
}
