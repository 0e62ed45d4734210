//! What both families have: one grew out of the other.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::family::{EventKind, Failure, Step, WireError};
use crate::message::{ATTACHMENTS, HEADERS, ID, METADATA, PASSTHROUGH, SENDER};
use crate::{Input, Publication};

/// Something larger than what a process emits in any time: it is our broker's part to slow it down.
pub(crate) const NO_LIMIT: &str = "1000000";
/// Most bytes of a message that leaves the process: 10 MiB, as on their platform. A record of ours has less, and says so.
pub(crate) const OUTGOING_BYTES: usize = 10 * 1024 * 1024;

/// The routing key of answers to the request that began an execution.
pub(crate) const REPLY: &str = "reply";
/// The header by which a message names its routing key. The first libraries leave it in the message.
const ROUTING_KEY: &str = "x-eio-routing-key";
/// Headers of an answer that belong to its connection: our server says them itself.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "content-encoding", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// The headers that both families have.
pub(crate) fn common(step: &Step, input: &Input<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut put = |name: &str, value: Value| headers.insert(name.to_owned(), value);
    put("messageId", input.delivery.into());
    put("threadId", input.thread.into());
    put("x-eio-meta-trace-id", input.thread.into());
    put("taskId", step.flow.as_str().into());
    put("execId", step.container.as_str().into());
    put("userId", "user".into());
    // Whoever made the input may wait for an answer; a tick was made by nobody.
    if input.body.is_some() {
        put("reply_to", REPLY.into());
    }
    if input.attempt > 1 {
        put("reboundIteration", (input.attempt - 1).into());
    }
    headers
}

/// What a message has besides its body: what a step before sent along, in its own words.
pub(crate) fn parts(input: &Input<'_>) -> Map<String, Value> {
    let parts = [
        ("headers", HEADERS),
        ("attachments", ATTACHMENTS),
        ("passthrough", PASSTHROUGH),
        ("metadata", METADATA),
    ];
    let value = |header: &str| input.headers.get(header).cloned().unwrap_or_else(|| json!({}));
    parts.into_iter().map(|(part, header)| (part.to_owned(), value(header))).collect()
}

/// A message for the next steps. Its body is ours; what belongs to it besides travels in headers.
pub(crate) fn data(emitted: Value, body: &str, publication: &Publication) -> EventKind {
    let Value::Object(mut emitted) = emitted else {
        return EventKind::Data { body: emitted, headers: Map::new() };
    };
    let mut headers = Map::new();
    for (part, header) in [
        ("headers", HEADERS),
        ("attachments", ATTACHMENTS),
        ("passthrough", PASSTHROUGH),
        ("metadata", METADATA),
    ] {
        let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if let Some(value) = emitted.remove(part).filter(|value| !empty(value)) {
            headers.insert(header.to_owned(), value);
        }
    }
    if let Some(id) = emitted.remove("id").or_else(|| publication.headers.get("messageId").cloned()) {
        headers.insert(ID.to_owned(), id);
    }
    if let Some(step) = publication.headers.get("stepId") {
        headers.insert(SENDER.to_owned(), step.clone());
    }
    let body = emitted.remove(body).unwrap_or_else(|| json!({}));
    EventKind::Data { body, headers }
}

/// An answer to the request that began an execution: `{statusCode, headers, body}`, or a message whose headers say the
/// status. A copy of an error is none: the run fails with it anyway.
pub(crate) fn reply(mut told: Value, body: &str, publication: &Publication) -> EventKind {
    if publication.headers.contains_key("x-eio-error-response") {
        return EventKind::Nothing;
    }
    let status = told.get("statusCode").cloned();
    let whole = status.is_some();
    let mut status = status.unwrap_or(Value::Null);
    let mut headers = Map::new();
    for (name, value) in told["headers"].as_object().into_iter().flatten() {
        let name = name.to_lowercase();
        match value {
            value if name == "x-eio-status-code" => status = value.clone(),
            // By these it came here.
            _ if name == "reply_to" || name == ROUTING_KEY => {}
            _ if OF_THE_CONNECTION.contains(&name.as_str()) => {}
            Value::String(_) => drop(headers.insert(name, value.clone())),
            Value::Number(_) | Value::Bool(_) => drop(headers.insert(name, value.to_string().into())),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }
    let status = status.as_u64().or_else(|| status.as_str().and_then(|text| text.parse().ok()));
    let body = told[if whole { "body" } else { body }].take();
    EventKind::Reply { status: status.unwrap_or(200), headers, body }
}

/// What a process wants to remember.
pub(crate) fn snapshot(publication: &Publication, merge: bool) -> Result<EventKind, WireError> {
    Ok(EventKind::Snapshot { value: serde_json::from_slice(&publication.body)?, merge })
}

/// A wish for the same input again.
pub(crate) fn rebound(publication: &Publication) -> EventKind {
    let reason = match publication.headers.get("reboundReason") {
        Some(Value::String(reason)) => reason.clone(),
        Some(other) => other["reason"]
            .as_str()
            .or_else(|| other["message"]["reason"].as_str())
            .unwrap_or_default()
            .to_owned(),
        None => String::new(),
    };
    EventKind::Rebound { after: publication.expiration.unwrap_or(Duration::from_secs(15)), reason }
}

/// An error as both families write it.
pub(crate) fn failed(error: &Value) -> Failure {
    let text = |field: &str| error[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Failure {
        name: text("name").unwrap_or_else(|| "Error".to_owned()),
        message: text("message").unwrap_or_else(|| "the component gave no reason".to_owned()),
        code: text("code"),
    }
}
