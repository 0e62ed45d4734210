//! A broker that is not there.
//!
//! It models what a real one promises and what it does to us: acknowledgements, prefetch, redelivery, bounded queues that
//! refuse, one active consumer on router queues, an alternate queue, retry tiers, lost connections and confirms.

mod consumer;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, Tier};
use sluice_ports::broker::{
    Broker, BrokerState, BrokerWatch, Consumer, Depth, Health, Publish, PublishError, QueueState,
};
use sluice_ports::{Fault, PortError};
use sluice_protocol::batch::Encoding;
use tokio::sync::Notify;

use super::lock;
use consumer::MemoryConsumer;
use state::State;

pub use state::Stored;

/// A broker that is not there.
#[derive(Default)]
pub struct MemoryBroker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the consumers whenever something changed.
    changed: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wake(&self) {
        self.changed.notify_waiters();
    }
}

impl MemoryBroker {
    /// Publishes as a container of a deployment does: to its exchange, for a shard. The kind is that of outcomes.
    ///
    /// # Panics
    /// When the deployment was not declared.
    pub fn publish_as_component(&self, deployment: DeploymentId, shard: u8, payload: impl Into<Bytes>) {
        let exchange = topology::exchange(deployment);
        let mut state = self.0.state();
        assert!(state.deployments.contains(&deployment), "the exchange {exchange} is not declared");
        let stored = Stored {
            exchange,
            routing_key: topology::routing_key(shard),
            message_id: String::new(),
            kind: sluice_protocol::batch::OUTCOMES.to_owned(),
            encoding: Encoding::Plain,
            payload: payload.into(),
            redelivered: false,
        };
        state
            .store(&topology::router_queue(shard), stored)
            .expect("router queues are declared and not bounded");
        drop(state);
        self.0.wake();
    }

    /// What waits in a queue, oldest first. Empty when there is no such queue.
    #[must_use]
    pub fn waiting(&self, queue: &str) -> Vec<Stored> {
        self.0
            .state()
            .queues
            .get(queue)
            .map(|queue| queue.ready.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Takes what waits in a queue out of it, oldest first, as a container does that acknowledges all it gets.
    #[must_use]
    pub fn take(&self, queue: &str) -> Vec<Stored> {
        let mut state = self.0.state();
        let taken = state.queues.get_mut(queue).map(|queue| std::mem::take(&mut queue.ready));
        taken.unwrap_or_default().into_values().collect()
    }

    /// How many messages of a queue are delivered and not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self, queue: &str) -> usize {
        self.0.state().queues.get(queue).map_or(0, |queue| queue.unacked.len())
    }

    /// Bounds a queue: it refuses what is published to it beyond so many messages. `None` for no bound.
    ///
    /// # Panics
    /// When the queue was not declared.
    pub fn set_max_length(&self, queue: &str, length: Option<usize>) {
        let mut state = self.0.state();
        state.queues.get_mut(queue).expect("the queue is declared").max_length = length;
    }

    /// Lets the stay in a retry tier be over for all that waits in it now.
    pub fn advance_tier(&self, tier: Tier) {
        let mut state = self.0.state();
        let queue = state.queues.get_mut(&topology::retry_queue(tier));
        let over = queue.map(|queue| std::mem::take(&mut queue.ready)).unwrap_or_default();
        for message in over.into_values() {
            let due = Stored {
                exchange: String::new(),
                routing_key: topology::DUE.to_owned(),
                redelivered: false,
                ..message
            };
            state.store(topology::DUE, due).expect("the queue of due retries is declared and not bounded");
        }
        drop(state);
        self.0.wake();
    }

    /// Cuts all connections. They are back at once: unacknowledged deliveries come again.
    pub fn drop_connections(&self) {
        self.0.state().drop_connections();
        self.0.wake();
    }

    /// Takes the broker away, or brings it back. While it is away, calls fail for now and consumers wait.
    pub fn set_down(&self, down: bool) {
        let mut state = self.0.state();
        if down {
            state.drop_connections();
        }
        state.down = down;
        drop(state);
        self.0.wake();
    }

    /// Sets what [`Broker::health`] says while the broker is not away.
    pub fn set_health(&self, health: Health) {
        self.0.state().health = Some(health);
    }

    /// Makes the next so many publishes end as [`PublishError::Unknown`], the message being stored or not.
    pub fn fail_publishes(&self, count: usize, stored: bool) {
        self.0.state().failing_publishes.extend(std::iter::repeat_n(stored, count));
    }

    /// Ends all consumers, as a shutdown of the adapter does.
    pub fn shut_down(&self) {
        self.0.state().shut_down = true;
        self.0.wake();
    }

    /// The state, unless the broker is away.
    fn up(&self, operation: &str) -> Result<MutexGuard<'_, State>, PortError> {
        let state = self.0.state();
        if state.down {
            return Err(PortError::new(Fault::Transient, operation, "the fake is down"));
        }
        Ok(state)
    }
}

#[async_trait]
impl BrokerWatch for MemoryBroker {
    async fn queues(&self) -> Result<Vec<QueueState>, PortError> {
        let state = self.up("look at the queues")?;
        let queues = state.queues.iter().map(|(name, queue)| QueueState {
            name: name.clone(),
            ready: queue.ready.len() as u64,
            unacknowledged: queue.unacked.len() as u64,
            consumers: u32::try_from(queue.consumers.len()).unwrap_or(u32::MAX),
            oldest: None,
        });
        Ok(queues.collect())
    }

    async fn state(&self) -> Result<BrokerState, PortError> {
        drop(self.up("ask how the broker stands")?);
        Ok(BrokerState { version: "1.0.0".to_owned(), connections: 1, alarms: Vec::new() })
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn declare_base(&self) -> Result<(), PortError> {
        let mut state = self.up("declare the base")?;
        for shard in 0..topology::SHARDS {
            state.declare(&topology::router_queue(shard)).single_active = true;
        }
        for tier in Tier::ALL {
            state.declare(&topology::retry_queue(tier));
        }
        for queue in [topology::DUE, topology::DEAD, topology::UNROUTABLE] {
            state.declare(queue);
        }
        Ok(())
    }

    async fn declare_deployment(&self, deployment: DeploymentId) -> Result<(), PortError> {
        let mut state = self.up("declare a deployment")?;
        state.deployments.insert(deployment);
        state.declare(&topology::suspects_queue(deployment));
        state.declare(&topology::invocations_queue(deployment));
        Ok(())
    }

    async fn declare_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.up("declare a lane")?.declare(lane.as_str());
        Ok(())
    }

    async fn delete_queue_if_idle(&self, queue: &str) -> Result<bool, PortError> {
        let mut state = self.up("delete a queue")?;
        let idle = state.queues.get(queue).is_none_or(|queue| {
            queue.ready.is_empty() && queue.unacked.is_empty() && queue.consumers.is_empty()
        });
        if idle {
            state.queues.remove(queue);
        }
        Ok(idle)
    }

    async fn delete_exchange(&self, deployment: DeploymentId) -> Result<(), PortError> {
        self.up("delete an exchange")?.deployments.remove(&deployment);
        Ok(())
    }

    async fn depth(&self, queue: &str) -> Result<Option<Depth>, PortError> {
        let state = self.up("count a queue")?;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Ok(state
            .queues
            .get(queue)
            .map(|queue| Depth { ready: count(queue.ready.len()), consumers: count(queue.consumers.len()) }))
    }

    async fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let unknown =
            |why: &str| PublishError::Unknown(PortError::new(Fault::Transient, "publish", why.to_owned()));
        let published = {
            let mut state = self.up("publish").map_err(PublishError::Unknown)?;
            match state.failing_publishes.pop_front() {
                None => state.publish(message),
                Some(stored) => {
                    let lost = if stored { state.publish(message) } else { Ok(()) };
                    lost.and_then(|()| Err(unknown("the test says so")))
                }
            }
        };
        self.0.wake();
        published
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, PortError> {
        let operation = format!("consume from {queue}");
        let id = self.up(&operation)?.add_consumer(queue).ok_or_else(|| PortError::not_found(operation))?;
        Ok(Box::new(MemoryConsumer::new(self.0.clone(), queue, id, prefetch)))
    }

    fn health(&self) -> Health {
        let state = self.0.state();
        if state.down {
            return Health::Down { reason: "the fake is down".to_owned(), since: std::time::Duration::ZERO };
        }
        state.health.clone().unwrap_or(Health::Up)
    }
}
