//! Queues and what is in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use sluice_domain::topology;
use sluice_domain::{DeploymentId, Tier};
use sluice_ports::broker::{Health, Publish, PublishError, Target};
use sluice_ports::{Fault, PortError};
use sluice_protocol::batch::Encoding;
use tokio::time::Instant;

use super::weather::{Event, EventKind, Weather, Witness};

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
    /// How often the connections of each client were lost.
    pub(super) losses: BTreeMap<u64, u64>,
    /// Clients that are no more.
    pub(super) dead: BTreeSet<u64>,
    pub(super) down: bool,
    pub(super) blocked: bool,
    pub(super) shut_down: bool,
    pub(super) health: Option<Health>,
    /// Publishes that end as unknown: whether the message is stored.
    pub(super) failing_publishes: VecDeque<bool>,
    /// Whether stays in retry tiers end by themselves.
    pub(super) timed: bool,
    pub(super) weather: Option<Arc<dyn Weather>>,
    pub(super) witness: Option<Arc<dyn Witness>>,
    pub(super) clients: u64,
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
    pub(super) consumers: BTreeMap<u64, Member>,
    /// The consumer that got something last.
    served: u64,
    pub(super) single_active: bool,
    pub(super) max_length: Option<usize>,
    /// When the stays of messages are over, by their order of arrival.
    expires: BTreeMap<u64, Instant>,
}

/// A consumer of a queue.
pub(super) struct Member {
    client: u64,
    prefetch: usize,
    /// The last delivery tag.
    tag: u64,
    /// The tags of what is delivered and not looked at yet.
    pub(super) inbox: VecDeque<u64>,
}

/// A message on its way: where to, and what it is there.
pub(super) struct Routed {
    pub(super) queue: String,
    pub(super) message: Stored,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn declare(&mut self, queue: &str) -> &mut Queue {
        self.queues.entry(queue.to_owned()).or_default()
    }

    /// Joins the consumers of a queue; its number, or nothing when there is no such queue.
    pub(super) fn add_consumer(&mut self, client: u64, queue: &str, prefetch: usize) -> Option<u64> {
        let id = self.number();
        let member = Member { client, prefetch, tag: 0, inbox: VecDeque::new() };
        self.queues.get_mut(queue)?.consumers.insert(id, member);
        self.deliver(queue);
        Some(id)
    }

    /// Delivers what waits in a queue to those of its consumers that may have it, in turn. As with a real broker, it is
    /// delivered then, whether the consumer has looked at it or not.
    pub(super) fn deliver(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let mut delivered = Vec::new();
        while !queue.ready.is_empty() {
            let Some(id) = queue.next_consumer() else { break };
            let (Some(member), Some((number, message))) =
                (queue.consumers.get_mut(&id), queue.ready.pop_first())
            else {
                break;
            };
            member.tag += 1;
            member.inbox.push_back(member.tag);
            delivered.push((member.client, message.clone()));
            queue.unacked.insert((id, member.tag), (number, message));
            queue.served = id;
        }
        for (client, message) in delivered {
            self.tell(EventKind::Delivered, client, name, &message);
        }
    }

    pub(super) fn losses(&self, client: u64) -> u64 {
        self.losses.get(&client).copied().unwrap_or(0)
    }

    pub(super) fn tell(&self, kind: EventKind, client: u64, queue: &str, message: &Stored) {
        if let Some(witness) = &self.witness {
            witness.see(&Event { kind, client, queue, message });
        }
    }

    /// Puts a message into a queue.
    pub(super) fn store(&mut self, client: u64, queue: &str, message: Stored) -> Result<(), PublishError> {
        let number = self.number();
        let missing = || {
            let error =
                PortError::new(Fault::NotFound, format!("publish to {queue}"), "there is no such queue");
            PublishError::Unknown(error)
        };
        let found = self.queues.get_mut(queue).ok_or_else(missing)?;
        if found.max_length.is_some_and(|most| found.ready.len() >= most) {
            return Err(PublishError::Refused);
        }
        if let Some(tier) = Tier::ALL.into_iter().find(|tier| topology::retry_queue(*tier) == queue)
            && self.timed
        {
            found.expires.insert(number, Instant::now() + tier.stay());
        }
        found.ready.insert(number, message.clone());
        self.tell(EventKind::Stored, client, queue, &message);
        self.deliver(queue);
        Ok(())
    }

    /// Where a message of ours goes.
    pub(super) fn route(&self, message: Publish) -> Routed {
        let key = match &message.target {
            Target::Lane(lane) => lane.as_str().to_owned(),
            Target::Suspects(deployment) => topology::suspects_queue(*deployment),
            Target::Invocations(deployment) => topology::invocations_queue(*deployment),
            Target::Retry(tier) => topology::retry_queue(*tier),
            Target::Router(shard) => topology::router_queue(*shard),
        };
        let message = Stored {
            exchange: topology::LANES.to_owned(),
            routing_key: key.clone(),
            message_id: message.message_id,
            kind: message.kind.to_owned(),
            encoding: message.encoding,
            payload: message.payload,
            redelivered: false,
        };
        let queue = if self.queues.contains_key(&key) { key } else { topology::UNROUTABLE.to_owned() };
        Routed { queue, message }
    }

    /// Loses the connections of the clients that fit: what was delivered to them and not acknowledged goes back to its
    /// place.
    pub(super) fn drop_connections(&mut self, fits: impl Fn(u64) -> bool) {
        for client in (0..=self.clients).filter(|client| fits(*client)) {
            *self.losses.entry(client).or_default() += 1;
        }
        for queue in self.queues.keys().cloned().collect::<Vec<_>>() {
            self.part_with(&queue, |_, client| fits(client));
        }
    }

    /// Lets the consumers of a queue that fit go, and puts back what they did not acknowledge.
    pub(super) fn part_with(&mut self, queue: &str, fits: impl Fn(u64, u64) -> bool) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.part_with(fits);
        }
        self.deliver(queue);
    }

    /// When the next stay in a retry tier is over.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.queues.values().filter_map(|queue| queue.expires.values().next()).min().copied()
    }

    /// Passes on what has stayed long enough in its tier.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut over = Vec::new();
        for queue in self.queues.values_mut() {
            while let Some(first) = queue.expires.first_entry().filter(|first| *first.get() <= now) {
                let number = first.remove_entry().0;
                over.extend(queue.ready.remove(&number));
            }
        }
        for message in over {
            self.make_due(message);
        }
    }

    /// Passes on everything that stays in a tier.
    pub(super) fn empty_tier(&mut self, tier: Tier) {
        let Some(queue) = self.queues.get_mut(&topology::retry_queue(tier)) else { return };
        queue.expires.clear();
        for message in std::mem::take(&mut queue.ready).into_values() {
            self.make_due(message);
        }
    }

    fn make_due(&mut self, message: Stored) {
        let due = Stored { routing_key: topology::DUE.to_owned(), redelivered: false, ..message };
        self.store(0, topology::DUE, due).expect("the queue of due retries is declared and not bounded");
    }
}

impl Queue {
    fn part_with(&mut self, fits: impl Fn(u64, u64) -> bool) {
        let gone: Vec<u64> =
            self.consumers.extract_if(.., |id, member| fits(*id, member.client)).map(|(id, _)| id).collect();
        let back: Vec<_> = self.unacked.extract_if(.., |(consumer, _), _| gone.contains(consumer)).collect();
        for (_, (number, message)) in back {
            self.ready.insert(number, Stored { redelivered: true, ..message });
        }
    }

    /// Who gets the next message: of a single active consumer, only the first one does.
    fn next_consumer(&self) -> Option<u64> {
        let held = |id: u64| self.unacked.range((id, 0)..=(id, u64::MAX)).count();
        let has_room = |(id, member): &(&u64, &Member)| held(**id) < member.prefetch;
        if self.single_active {
            return self.consumers.iter().next().filter(has_room).map(|(id, _)| *id);
        }
        let after = self.consumers.range(self.served + 1..).find(has_room);
        after.or_else(|| self.consumers.iter().find(has_room)).map(|(id, _)| *id)
    }
}
