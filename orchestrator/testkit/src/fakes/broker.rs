//! A broker that is not there.
//!
//! It models what a real one promises and what it does to us: acknowledgements, prefetch, redelivery, bounded queues that
//! refuse, one active consumer on router queues, an alternate queue, retry tiers, lost connections, cancelled consumers,
//! confirms that come late, in another order or never. Which of that happens, and when, a [`Weather`] decides.

mod consumer;
mod state;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, Tier};
use sluice_ports::broker::{
    Broker, BrokerState, BrokerWatch, Consumer, Depth, Health, Publish, PublishError, QueueState,
};
use sluice_ports::{Fault, PortError};
use sluice_protocol::batch::{Encoding, Payload};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::lock;
use consumer::MemoryConsumer;
use state::{Routed, State};

pub use state::Stored;
pub use weather::{End, Event, EventKind, Fate, Weather, Witness};

/// A client of a broker that is not there: a process with connections of its own. The first one makes the broker.
#[derive(Default)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
    client: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wake those who wait for something of a queue.
    bells: Mutex<BTreeMap<String, Arc<Notify>>>,
    /// Wakes those whose publishes are blocked.
    unblocked: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn bell(&self, queue: &str) -> Arc<Notify> {
        lock(&self.bells).entry(queue.to_owned()).or_default().clone()
    }

    /// Wakes the consumers of a queue.
    fn ring(&self, queue: &str) {
        if let Some(bell) = lock(&self.bells).get(queue) {
            bell.notify_waiters();
        }
    }

    /// Wakes everybody.
    fn wake(&self) {
        for bell in lock(&self.bells).values() {
            bell.notify_waiters();
        }
        self.unblocked.notify_waiters();
    }
}

impl MemoryBroker {
    /// Another client of the same broker.
    #[must_use]
    pub fn connect(&self) -> Self {
        let mut state = self.shared.state();
        state.clients += 1;
        Self { shared: self.shared.clone(), client: state.clients }
    }

    /// Which client this is: 0 is the first one.
    #[must_use]
    pub fn client(&self) -> u64 {
        self.client
    }

    /// Ends this client for good, as the kill of its process does: what it holds goes back, and nothing that it still
    /// tries has an effect.
    pub fn kill(&self) {
        let mut state = self.shared.state();
        state.dead.insert(self.client);
        state.drop_connections(|client| client == self.client);
        drop(state);
        self.shared.wake();
    }

    /// Publishes as a container of a deployment does: to its exchange, for a shard. The kind is that of outcomes.
    ///
    /// # Panics
    /// When the deployment was not declared.
    pub fn publish_as_component(&self, deployment: DeploymentId, shard: u8, payload: impl Into<Bytes>) {
        let payload = Payload { bytes: payload.into(), encoding: Encoding::Plain };
        let Routed { queue, message } = outcome(deployment, shard, payload);
        let mut state = self.shared.state();
        assert!(state.deployments.contains(&deployment), "{deployment} is not declared");
        state.store(self.client, &queue, message).expect("router queues are declared and not bounded");
        drop(state);
        self.shared.wake();
    }

    /// Publishes outcomes as a container of a deployment does, and waits for the confirm.
    ///
    /// # Errors
    /// As [`Broker::publish`].
    pub async fn publish_outcomes(
        &self,
        deployment: DeploymentId,
        shard: u8,
        payload: Payload,
    ) -> Result<(), PublishError> {
        if !self.up("publish").map_err(PublishError::Unknown)?.deployments.contains(&deployment) {
            return Err(unknown("there is no such exchange"));
        }
        self.submit(outcome(deployment, shard, payload)).await
    }

    /// What waits in a queue, oldest first. Empty when there is no such queue.
    #[must_use]
    pub fn waiting(&self, queue: &str) -> Vec<Stored> {
        self.shared
            .state()
            .queues
            .get(queue)
            .map(|queue| queue.ready.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Takes what waits in a queue out of it, oldest first, as a container does that acknowledges all it gets.
    #[must_use]
    pub fn take(&self, queue: &str) -> Vec<Stored> {
        let mut state = self.shared.state();
        let taken = state.queues.get_mut(queue).map(|queue| std::mem::take(&mut queue.ready));
        taken.unwrap_or_default().into_values().collect()
    }

    /// How many messages of a queue are delivered and not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self, queue: &str) -> usize {
        self.shared.state().queues.get(queue).map_or(0, |queue| queue.unacked.len())
    }

    /// Bounds a queue: it refuses what is published to it beyond so many messages. `None` for no bound.
    ///
    /// # Panics
    /// When the queue was not declared.
    pub fn set_max_length(&self, queue: &str, length: Option<usize>) {
        let mut state = self.shared.state();
        state.queues.get_mut(queue).expect("the queue is declared").max_length = length;
    }

    /// Lets the stay in a retry tier be over for all that waits in it now.
    pub fn advance_tier(&self, tier: Tier) {
        self.shared.state().empty_tier(tier);
        self.shared.wake();
    }

    /// Lets stays in retry tiers end by themselves, by tokio's clock. Counts for what is published from now on.
    pub fn keep_time(&self) {
        self.shared.state().timed = true;
    }

    /// Cuts all connections of all clients. They are back at once: unacknowledged deliveries come again, and what was not
    /// confirmed stays unknown.
    pub fn drop_connections(&self) {
        self.shared.state().drop_connections(|_| true);
        self.shared.wake();
    }

    /// Cuts the connections of this client, which are back at once.
    pub fn drop_my_connections(&self) {
        self.shared.state().drop_connections(|client| client == self.client);
        self.shared.wake();
    }

    /// Cancels the consumers of a queue, as a broker does whose queue moves. They subscribe again.
    pub fn cancel_consumers(&self, queue: &str) {
        self.shared.state().part_with(queue, |_, _| true);
        self.shared.wake();
    }

    /// Deletes a queue that holds nothing, its consumers notwithstanding; whether it did.
    pub fn delete_empty(&self, queue: &str) -> bool {
        let mut state = self.shared.state();
        let empty = state.queues.get(queue).is_some_and(|q| q.ready.is_empty() && q.unacked.is_empty());
        if empty {
            state.queues.remove(queue);
        }
        empty
    }

    /// Stops taking messages, as a broker does that is short of memory or disk, or goes on. Publishes wait meanwhile.
    pub fn set_blocked(&self, blocked: bool) {
        self.shared.state().blocked = blocked;
        self.shared.wake();
    }

    /// Has somebody decide what becomes of publishes.
    pub fn set_weather(&self, weather: Option<Arc<dyn Weather>>) {
        self.shared.state().weather = weather;
    }

    /// Has somebody see everything that happens.
    pub fn set_witness(&self, witness: Arc<dyn Witness>) {
        self.shared.state().witness = Some(witness);
    }

    /// The queues that there are.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        self.shared.state().queues.keys().cloned().collect()
    }

    /// Takes the broker away, or brings it back. While it is away, calls fail for now and consumers wait.
    pub fn set_down(&self, down: bool) {
        let mut state = self.shared.state();
        if down {
            state.drop_connections(|_| true);
        }
        state.down = down;
        drop(state);
        self.shared.wake();
    }

    /// Sets what [`Broker::health`] says while the broker is not away.
    pub fn set_health(&self, health: Health) {
        self.shared.state().health = Some(health);
    }

    /// Makes the next so many publishes end as [`PublishError::Unknown`], the message being stored or not.
    pub fn fail_publishes(&self, count: usize, stored: bool) {
        self.shared.state().failing_publishes.extend(std::iter::repeat_n(stored, count));
    }

    /// Ends all consumers, as a shutdown of the adapter does.
    pub fn shut_down(&self) {
        self.shared.state().shut_down = true;
        self.shared.wake();
    }

    /// The state, unless the broker is away.
    fn up(&self, operation: &str) -> Result<MutexGuard<'_, State>, PortError> {
        let mut state = self.shared.state();
        if state.down || state.dead.contains(&self.client) {
            return Err(PortError::new(Fault::Transient, operation, "the fake is down"));
        }
        state.expire(Instant::now());
        Ok(state)
    }

    /// Brings a message on its way.
    async fn submit(&self, routed: Routed) -> Result<(), PublishError> {
        let Routed { queue, message } = routed;
        loop {
            let unblocked = self.shared.unblocked.notified();
            tokio::pin!(unblocked);
            unblocked.as_mut().enable();
            if !self.up("publish").map_err(PublishError::Unknown)?.blocked {
                break;
            }
            unblocked.await;
        }
        let (stored, fate, losses) = {
            let mut state = self.up("publish").map_err(PublishError::Unknown)?;
            let fate = match state.failing_publishes.pop_front() {
                Some(true) => Fate { end: End::Unanswered, takes: Duration::ZERO },
                Some(false) => Fate { end: End::Lost, takes: Duration::ZERO },
                None => state.weather.clone().map_or(Fate::FAIR, |weather| weather.fate(self.client, &queue)),
            };
            let stored = match fate.end {
                End::Well | End::Unanswered => state.store(self.client, &queue, message.clone()),
                End::Refused => Err(PublishError::Refused),
                End::Lost => Ok(()),
            };
            (stored, fate, state.losses(self.client))
        };
        self.shared.ring(&queue);
        // Whoever waits for what is due waits for the end of this stay, too.
        self.shared.ring(topology::DUE);
        if !fate.takes.is_zero() {
            tokio::time::sleep(fate.takes).await;
        }
        let state = self.shared.state();
        if state.losses(self.client) != losses || state.dead.contains(&self.client) {
            return Err(unknown("the connection is gone"));
        }
        stored?;
        if fate.end != End::Well {
            return Err(unknown("the test says so"));
        }
        state.tell(EventKind::Confirmed, self.client, &queue, &message);
        Ok(())
    }
}

fn unknown(why: &str) -> PublishError {
    PublishError::Unknown(PortError::new(Fault::Transient, "publish", why.to_owned()))
}

/// What a component sends, on its way.
fn outcome(deployment: DeploymentId, shard: u8, payload: Payload) -> Routed {
    let message = Stored {
        exchange: topology::exchange(deployment),
        routing_key: topology::routing_key(shard),
        message_id: String::new(),
        kind: sluice_protocol::batch::OUTCOMES.to_owned(),
        encoding: payload.encoding,
        payload: payload.bytes,
        redelivered: false,
    };
    Routed { queue: topology::router_queue(shard), message }
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
        for queue in [topology::DUE, topology::DEAD] {
            state.declare(queue).single_active = true;
        }
        state.declare(topology::UNROUTABLE);
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

    async fn purge(&self, queue: &str) -> Result<u32, PortError> {
        let mut state = self.up("purge a queue")?;
        let queue = state.queues.get_mut(queue);
        let waiting = queue.map(|queue| std::mem::take(&mut queue.ready).len()).unwrap_or_default();
        Ok(u32::try_from(waiting).unwrap_or(u32::MAX))
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
        let routed = self.up("publish").map_err(PublishError::Unknown)?.route(message);
        self.submit(routed).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, PortError> {
        let operation = format!("consume from {queue}");
        drop(self.up(&operation)?);
        let consumer = MemoryConsumer::new(&self.shared, self.client, queue, prefetch);
        Ok(Box::new(consumer.ok_or_else(|| PortError::not_found(operation))?))
    }

    fn health(&self) -> Health {
        let state = self.shared.state();
        if state.down {
            return Health::Down { reason: "the fake is down".to_owned(), since: std::time::Duration::ZERO };
        }
        if state.blocked {
            return Health::Blocked("the fake is short of memory".to_owned());
        }
        state.health.clone().unwrap_or(Health::Up)
    }
}
