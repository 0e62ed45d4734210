//! Queues and what is in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sluice_domain::DeploymentId;
use sluice_domain::topology;
use sluice_ports::broker::{Health, Publish, PublishError, Target};
use sluice_ports::{Fault, PortError};
use sluice_protocol::batch::Encoding;

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The exchange that it was published to.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The id that its publisher gave it.
    pub message_id: String,
    /// The `type` property.
    pub kind: String,
    /// How the payload is compressed.
    pub encoding: Encoding,
    /// The body.
    pub payload: Bytes,
    /// Whether a consumer had it before.
    pub redelivered: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) deployments: BTreeSet<DeploymentId>,
    /// Counts the connections.
    pub(super) generation: u64,
    pub(super) down: bool,
    pub(super) shut_down: bool,
    pub(super) health: Option<Health>,
    /// Publishes that end as unknown: whether the message is stored.
    pub(super) failing_publishes: VecDeque<bool>,
    /// Numbers messages and consumers in their order.
    numbers: u64,
}

#[derive(Default)]
pub(super) struct Queue {
    /// By the order of arrival, which a message keeps when it comes again.
    pub(super) ready: BTreeMap<u64, Stored>,
    /// By consumer and delivery tag.
    pub(super) unacked: BTreeMap<(u64, u64), (u64, Stored)>,
    /// In the order in which they came.
    pub(super) consumers: BTreeSet<u64>,
    pub(super) single_active: bool,
    pub(super) max_length: Option<usize>,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn declare(&mut self, queue: &str) -> &mut Queue {
        self.queues.entry(queue.to_owned()).or_default()
    }

    pub(super) fn add_consumer(&mut self, queue: &str) -> Option<u64> {
        let id = self.number();
        self.queues.get_mut(queue)?.consumers.insert(id);
        Some(id)
    }

    /// Puts a message into a queue.
    pub(super) fn store(&mut self, queue: &str, message: Stored) -> Result<(), PublishError> {
        let number = self.number();
        let missing = || {
            let error =
                PortError::new(Fault::NotFound, format!("publish to {queue}"), "there is no such queue");
            PublishError::Unknown(error)
        };
        let queue = self.queues.get_mut(queue).ok_or_else(missing)?;
        if queue.max_length.is_some_and(|most| queue.ready.len() >= most) {
            return Err(PublishError::Refused);
        }
        queue.ready.insert(number, message);
        Ok(())
    }

    /// Routes a message of ours.
    pub(super) fn publish(&mut self, message: Publish) -> Result<(), PublishError> {
        let (exchange, key) = match &message.target {
            Target::Lane(lane) => (topology::LANES, lane.as_str().to_owned()),
            Target::Suspects(deployment) => (topology::LANES, topology::suspects_queue(*deployment)),
            Target::Invocations(deployment) => (topology::LANES, topology::invocations_queue(*deployment)),
            Target::Retry(tier) => ("", topology::retry_queue(*tier)),
            // As the router sees it: what comes by this exchange is the orchestrator's own.
            Target::Router(shard) => (topology::LANES, topology::router_queue(*shard)),
        };
        let lost = exchange == topology::LANES && !self.queues.contains_key(&key);
        let queue = if lost { topology::UNROUTABLE } else { &key };
        let stored = Stored {
            exchange: exchange.to_owned(),
            routing_key: key.clone(),
            message_id: message.message_id,
            kind: message.kind.to_owned(),
            encoding: message.encoding,
            payload: message.payload,
            redelivered: false,
        };
        self.store(queue, stored)
    }

    /// Loses all connections: what was delivered and not acknowledged goes back to its place.
    pub(super) fn drop_connections(&mut self) {
        self.generation += 1;
        for queue in self.queues.values_mut() {
            queue.requeue(|_| true);
        }
    }
}

impl Queue {
    /// Puts back what the consumers that fit did not acknowledge.
    pub(super) fn requeue(&mut self, fits: impl Fn(u64) -> bool) {
        let back: Vec<_> = self.unacked.extract_if(.., |(consumer, _), _| fits(*consumer)).collect();
        for (_, (number, message)) in back {
            self.ready.insert(number, Stored { redelivered: true, ..message });
        }
    }

    /// Whether a consumer of this queue gets messages: of a single active one, only the first does.
    pub(super) fn serves(&self, consumer: u64) -> bool {
        !self.single_active || self.consumers.first() == Some(&consumer)
    }
}
