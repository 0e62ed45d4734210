//! The contracts of the families, tried on their real libraries: the probe beside this crate, on several versions of each.

mod attachments;
mod hooks;
mod lookups;
mod platform;
mod probe;
mod processes;
mod replies;
mod runs;
mod snapshots;
mod wire;

use serde_json::{Value, json};
use sluice_sdk::protocol::{ErrorInfo, Output};
use sluice_sdk::testing::Harness;

/// What a run emitted.
async fn acted(harness: &Harness, input: Value) -> Result<Vec<Value>, ErrorInfo> {
    let outputs = harness.action("act", json!({ "a": 1 }), input).await?;
    Ok(outputs.iter().map(body).collect())
}

/// The body of an output.
fn body(output: &Output) -> Value {
    serde_json::from_str(output.body.get()).unwrap()
}

/// What the platform answers to a request of a process.
async fn asked(harness: &Harness, mut request: Value) -> Value {
    request["do"] = "ask".into();
    acted(harness, request).await.unwrap().remove(0)
}

/// Headers of a message.
fn headers(value: &Value) -> sluice_sdk::protocol::Headers {
    value.as_object().unwrap().clone()
}
