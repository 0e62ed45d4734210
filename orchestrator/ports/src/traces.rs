//! Telling a collector of spans.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::PortError;

/// Something that took some time, as part of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// Its id in the trace.
    pub id: u64,
    /// The span that led to it; absent for the first of a trace.
    pub parent: Option<u64>,
    /// What it is about, from a small set of names.
    pub name: String,
    /// What kind of thing it is.
    pub kind: SpanKind,
    /// When it began.
    pub begin: DateTime<Utc>,
    /// When it ended.
    pub end: DateTime<Utc>,
    /// What there is to say of it. Never a payload, never a secret.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// The code of the error that it ended with, if it failed.
    pub error: Option<String>,
}

/// What kind of thing a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Something inside.
    Internal,
    /// An answer to a request of the outside world.
    Server,
    /// The sending of a message.
    Producer,
    /// The processing of a message.
    Consumer,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// Takes spans.
#[async_trait]
pub trait SpanSink: Send + Sync {
    /// Hands spans over once. After an error that is transient they may be handed over again; a collector tells by their
    /// ids that it has them.
    async fn export(&self, spans: &[Span]) -> Result<(), PortError>;
}
