//! Consumers.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag};
use sluice_ports::{Fault, PortError};
use tokio::time::Instant;

use super::Shared;
use super::weather::EventKind;

pub(super) struct MemoryConsumer {
    shared: Arc<Shared>,
    client: u64,
    queue: String,
    id: u64,
    prefetch: usize,
    /// Counts its subscriptions.
    generation: u64,
}

impl MemoryConsumer {
    /// A consumer of a queue; nothing when there is no such queue.
    pub(super) fn new(shared: &Arc<Shared>, client: u64, queue: &str, prefetch: u16) -> Option<Self> {
        // A broker takes zero for no bound.
        let prefetch = if prefetch == 0 { usize::MAX } else { usize::from(prefetch) };
        let id = shared.state().add_consumer(client, queue, prefetch)?;
        Some(Self { shared: shared.clone(), client, queue: queue.to_owned(), id, prefetch, generation: 1 })
    }

    /// The next delivery, if there is one.
    fn try_next(&mut self) -> Option<Delivery> {
        let mut state = self.shared.state();
        state.expire(Instant::now());
        if state.down || state.dead.contains(&self.client) {
            return None;
        }
        if !state.queues.get(&self.queue)?.consumers.contains_key(&self.id) {
            // It was cancelled, or its connection is gone: it subscribes again, behind all others.
            self.id = state.add_consumer(self.client, &self.queue, self.prefetch)?;
            self.generation += 1;
        }
        let queue = state.queues.get_mut(&self.queue)?;
        let tag = queue.consumers.get_mut(&self.id)?.inbox.pop_front()?;
        let (_, message) = queue.unacked.get(&(self.id, tag))?.clone();
        Some(Delivery {
            tag: DeliveryTag { generation: self.generation, tag },
            exchange: message.exchange,
            routing_key: message.routing_key,
            redelivered: message.redelivered,
            content_encoding: message.encoding.header().map(str::to_owned),
            kind: Some(message.kind),
            payload: message.payload,
        })
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        let bell = self.shared.bell(&self.queue);
        loop {
            let changed = bell.notified();
            tokio::pin!(changed);
            // Before the look, so that no change falls between the look and the wait.
            changed.as_mut().enable();
            if self.shared.state().shut_down {
                return None;
            }
            if let Some(delivery) = self.try_next() {
                return Some(delivery);
            }
            let expiry = self.shared.state().next_expiry();
            match expiry.filter(|_| self.queue == sluice_domain::topology::DUE) {
                None => changed.await,
                Some(expiry) => drop(tokio::time::timeout_at(expiry, changed).await),
            }
        }
    }

    async fn ack(&mut self, tag: DeliveryTag) -> Result<bool, PortError> {
        {
            let mut state = self.shared.state();
            let dead = state.dead.contains(&self.client);
            let Some(queue) = state.queues.get_mut(&self.queue) else { return Ok(false) };
            let gone = tag.generation != self.generation || !queue.consumers.contains_key(&self.id);
            if gone || dead {
                return Ok(false);
            }
            let Some((_, message)) = queue.unacked.remove(&(self.id, tag.tag)) else {
                return Err(PortError::new(Fault::Permanent, "acknowledge a delivery", "the tag is unknown"));
            };
            state.tell(EventKind::Acknowledged, self.client, &self.queue, &message);
            state.deliver(&self.queue);
        }
        self.shared.ring(&self.queue);
        Ok(true)
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.shared.state().part_with(&self.queue, |consumer, _| consumer == self.id);
        self.shared.ring(&self.queue);
    }
}
