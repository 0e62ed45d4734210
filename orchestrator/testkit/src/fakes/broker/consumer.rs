//! Consumers.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag};
use sluice_ports::{Fault, PortError};

use super::Shared;

pub(super) struct MemoryConsumer {
    shared: Arc<Shared>,
    queue: String,
    id: u64,
    prefetch: usize,
    /// The last delivery tag.
    tag: u64,
}

impl MemoryConsumer {
    pub(super) fn new(shared: Arc<Shared>, queue: &str, id: u64, prefetch: u16) -> Self {
        // A broker takes zero for no bound.
        let prefetch = if prefetch == 0 { usize::MAX } else { usize::from(prefetch) };
        Self { shared, queue: queue.to_owned(), id, prefetch, tag: 0 }
    }

    /// The next delivery, if there is one and this consumer may have it now.
    fn try_next(&mut self) -> Option<Delivery> {
        let mut state = self.shared.state();
        let generation = state.generation;
        if state.down {
            return None;
        }
        let queue = state.queues.get_mut(&self.queue)?;
        let held = queue.unacked.range((self.id, 0)..=(self.id, u64::MAX)).count();
        if held >= self.prefetch || !queue.serves(self.id) {
            return None;
        }
        let (number, message) = queue.ready.pop_first()?;
        self.tag += 1;
        queue.unacked.insert((self.id, self.tag), (number, message.clone()));
        Some(Delivery {
            tag: DeliveryTag { generation, tag: self.tag },
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
        let shared = self.shared.clone();
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that no change falls between the look and the wait.
            changed.as_mut().enable();
            if shared.state().shut_down {
                return None;
            }
            if let Some(delivery) = self.try_next() {
                return Some(delivery);
            }
            changed.await;
        }
    }

    async fn ack(&mut self, tag: DeliveryTag) -> Result<bool, PortError> {
        let acknowledged = {
            let mut state = self.shared.state();
            if state.down || tag.generation != state.generation {
                return Ok(false);
            }
            let queue = state.queues.get_mut(&self.queue);
            queue.and_then(|queue| queue.unacked.remove(&(self.id, tag.tag)))
        };
        self.shared.wake();
        let unknown = || PortError::new(Fault::Permanent, "acknowledge a delivery", "the tag is unknown");
        acknowledged.map(|_| true).ok_or_else(unknown)
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        if let Some(queue) = self.shared.state().queues.get_mut(&self.queue) {
            queue.consumers.remove(&self.id);
            queue.requeue(|consumer| consumer == self.id);
        }
        self.shared.wake();
    }
}
