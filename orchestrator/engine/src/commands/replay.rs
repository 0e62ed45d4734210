//! Sending messages to steps again. They go through the router's own queue, so that they are ordered and counted like
//! all others.

use sluice_domain::topology;
use sluice_ports::broker::{Publish, PublishError, Target};
use sluice_ports::{Fault, PortError};
use sluice_protocol::{MessageId, Outcome, batch};

use crate::core::Core;
use crate::router::record::{REPLAY, Replay};
use crate::router::returns::publish;
use crate::{CommandError, Engine};

/// Publishes tries of a command; the caller repeats after that.
const TRIES: u32 = 3;

impl Engine {
    /// Sends a message to a step again.
    pub(crate) async fn replay(&self, shard: u8, replay: &Replay) -> Result<(), CommandError> {
        let record = serde_json::to_vec(replay).expect("a replay is plain JSON");
        let message = Publish { kind: REPLAY, ..publish(Target::Router(shard), replay.id, &record) };
        confirmed(&self.core, message).await
    }

    /// Lets the router treat something as if a trigger had emitted it.
    pub(crate) async fn emit(&self, shard: u8, outcome: &Outcome) -> Result<MessageId, CommandError> {
        let record = serde_json::to_vec(outcome).expect("an outcome is plain JSON");
        let message =
            Publish { kind: batch::OUTCOMES, ..publish(Target::Router(shard), outcome.input, &record) };
        confirmed(&self.core, message).await?;
        Ok(outcome.input)
    }
}

async fn confirmed(core: &Core, message: Publish) -> Result<(), CommandError> {
    let operation = || format!("publish to {}", topology::LANES);
    let mut last = PortError::new(Fault::Transient, operation(), "not tried");
    for _ in 0..TRIES {
        match core.ports.broker.publish(message.clone()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused) => {
                last = PortError::new(Fault::Transient, operation(), "the queue is full")
            }
            Err(PublishError::Unknown(error)) => last = error,
        }
    }
    Err(last.into())
}
