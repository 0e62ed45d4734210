//! What may happen to messages on their way, and who sees what happens.

use std::time::Duration;

use super::state::Stored;

/// Decides what becomes of publishes.
pub trait Weather: Send + Sync {
    /// The fate of a publish of `client` that is routed to `queue`.
    fn fate(&self, client: u64, queue: &str) -> Fate;
}

/// What becomes of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// How it ends.
    pub end: End,
    /// How long the answer takes. The message is in its queue before.
    pub takes: Duration,
}

/// How a publish ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is stored and confirmed, if the queue takes it.
    Well,
    /// The broker refuses it.
    Refused,
    /// It is stored, if the queue takes it, and nobody learns of that.
    Unanswered,
    /// It is lost on the way, and nobody learns of that.
    Lost,
}

impl Fate {
    /// Stored and confirmed at once.
    pub const FAIR: Self = Self { end: End::Well, takes: Duration::ZERO };
}

/// Sees what happens, in the order in which it happens. It is called while the broker is locked, so it must not ask it.
pub trait Witness: Send + Sync {
    /// Something happened to a message.
    fn see(&self, event: &Event<'_>);
}

/// Something that happened to a message in a queue.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The client that did it.
    pub client: u64,
    /// The queue.
    pub queue: &'a str,
    /// The message.
    pub message: &'a Stored,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A queue holds it.
    Stored,
    /// Its publisher knows that a queue holds it.
    Confirmed,
    /// A consumer has it.
    Delivered,
    /// Its consumer is done with it.
    Acknowledged,
}
