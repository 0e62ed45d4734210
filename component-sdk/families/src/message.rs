//! Messages as they travel between the process of another platform and us: a body, and headers as AMQP has them.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The header of ours that keeps the id which a message had there.
pub(crate) const ID: &str = "eio-id";
/// The header of ours that keeps the headers in the body of a message.
pub const HEADERS: &str = "eio-headers";
/// The header of ours that keeps attachments.
pub const ATTACHMENTS: &str = "eio-attachments";
/// The header of ours that keeps the outputs of earlier steps.
pub const PASSTHROUGH: &str = "eio-passthrough";
/// The header of ours that names the step which emitted a message.
pub(crate) const SENDER: &str = "eio-step";
/// The header of ours that keeps metadata.
pub(crate) const METADATA: &str = "eio-metadata";

/// A message of ours that is to be processed there.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// A fresh name of this delivery: no two are equal, whatever they deliver.
    pub delivery: &'a str,
    /// What all messages of one execution share.
    pub thread: &'a str,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The body; `None` for a tick.
    pub body: Option<&'a RawValue>,
    /// The headers.
    pub headers: &'a Map<String, Value>,
    /// The config of the step with the settings and secrets of its instance.
    pub config: &'a Value,
}

/// A message to the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// AMQP headers.
    pub headers: Map<String, Value>,
    /// The `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// A message that the process published.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// AMQP headers.
    pub headers: Map<String, Value>,
    /// The property `expiration`.
    pub expiration: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Publication {
    /// A header that is a text.
    #[must_use]
    pub fn text(&self, header: &str) -> Option<&str> {
        self.headers.get(header).and_then(Value::as_str)
    }
}
