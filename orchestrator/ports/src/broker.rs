//! The message broker.
//!
//! Promises of every implementation:
//!
//! - It connects by itself, for ever, with capped and jittered backoff; no caller reconnects. Publishing and consuming
//!   use separate connections, because a broker that is short of memory blocks publishing connections whole.
//! - [`Broker::publish`] resolves to `Ok` only when the broker has stored the message in a queue (or in the alternate
//!   queue of an exchange that has one). Every other answer means *unknown*: publish the same again.
//! - Messages that one caller publishes one after another to the same target arrive in that order, unless one of them
//!   was refused.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sluice_domain::topology::LaneName;
use sluice_domain::{ContainerStartId, DeploymentId};
use sluice_protocol::batch::Encoding;

use crate::PortError;

/// The message broker.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Declares what every installation has: router queues, retry tiers, due, dead, unroutable. Idempotent.
    async fn declare_base(&self) -> Result<(), PortError>;

    /// Declares the exchange of a deployment, bound to all router queues, and its queues of suspects and
    /// invocations. Idempotent.
    async fn declare_deployment(&self, deployment: DeploymentId) -> Result<(), PortError>;

    /// Declares a lane, bound to the lanes exchange. Idempotent.
    async fn declare_lane(&self, lane: &LaneName) -> Result<(), PortError>;

    /// Deletes a queue (a lane, or one of a deployment's own queues) if it is empty and nobody consumes from it.
    /// `Ok(false)` when it is not; `Ok(true)` when it is gone, also when it never was there.
    async fn delete_queue_if_idle(&self, queue: &str) -> Result<bool, PortError>;

    /// Throws away what waits in a queue (a lane, or one of a deployment's own queues); how many messages that were. What was
    /// delivered and not acknowledged stays. Nothing when there is no such queue.
    async fn purge(&self, queue: &str) -> Result<u32, PortError>;

    /// Deletes the exchange of a deployment. Idempotent.
    async fn delete_exchange(&self, deployment: DeploymentId) -> Result<(), PortError>;

    /// How many messages of a queue wait to be delivered, and how many consumers it has.
    /// `None` when there is no such queue.
    async fn depth(&self, queue: &str) -> Result<Option<Depth>, PortError>;

    /// Publishes one persistent message and waits until the broker has stored it.
    ///
    /// # Errors
    /// [`PublishError::Refused`] when the queue is full, [`PublishError::Unknown`] for anything that leaves open whether
    /// the message was stored.
    async fn publish(&self, message: Publish) -> Result<(), PublishError>;

    /// Consumes from a queue until the handle is dropped, across lost connections. `prefetch` bounds the deliveries
    /// that are not acknowledged yet.
    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, PortError>;

    /// How the connections stand.
    fn health(&self) -> Health;
}

/// A stream of deliveries.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery. Waits across lost connections; `None` only when the broker adapter was shut down.
    /// Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;

    /// Acknowledges a delivery. `Ok(false)` when the connection it came by is gone: the message will come again.
    async fn ack(&mut self, tag: DeliveryTag) -> Result<bool, PortError>;
}

/// Names a delivery of one consumer: which connection it came by, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryTag {
    /// Counts the connections of the consumer.
    pub generation: u64,
    /// The broker's tag.
    pub tag: u64,
}

/// A message as it came from the broker.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What to acknowledge it by.
    pub tag: DeliveryTag,
    /// The exchange that it was published to, as the broker says, not the publisher.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Whether a consumer had it before.
    pub redelivered: bool,
    /// The content encoding.
    pub content_encoding: Option<String>,
    /// The `type` property.
    pub kind: Option<String>,
    /// The body.
    pub payload: Bytes,
}

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Where to.
    pub target: Target,
    /// The id of the message, for matching what the broker returns.
    pub message_id: String,
    /// The `type` property.
    pub kind: &'static str,
    /// How the payload is compressed.
    pub encoding: Encoding,
    /// The body.
    pub payload: Bytes,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A lane. A lane that is not there sends it to the unroutable queue.
    Lane(LaneName),
    /// The suspects queue of a deployment.
    Suspects(DeploymentId),
    /// The queue of invocations of a deployment.
    Invocations(DeploymentId),
    /// A retry tier, for the orchestrator to take up again when the stay is over.
    Retry(sluice_domain::Tier),
    /// The router queue of a shard, for the router to treat as an outcome (replays by operators).
    Router(u8),
}

/// A publish that was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The queue is full. The message is not stored.
    #[error("the queue is full")]
    Refused,
    /// Nobody knows whether it was stored.
    #[error("the broker did not confirm the message")]
    Unknown(#[source] PortError),
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages (batches) that wait.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
}

/// How the broker connections stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All connections are up.
    Up,
    /// The broker refuses publishing for now, with its reason (short of memory or disk).
    Blocked(String),
    /// A connection is down, with the last error and since when.
    Down {
        /// The last error. Never holds a secret.
        reason: String,
        /// How long it has been down.
        since: Duration,
    },
}

/// The broker's users, through its management API. Each container start has one of its own with the least rights.
#[async_trait]
pub trait BrokerUsers: Send + Sync {
    /// The name of the user of a container start.
    fn name(&self, start: ContainerStartId) -> String;

    /// Makes the user of a container start, or gives it a new password, with its rights on `deployment` only. Idempotent.
    async fn grant(
        &self,
        start: ContainerStartId,
        deployment: DeploymentId,
        password: &secrecy::SecretString,
    ) -> Result<(), PortError>;

    /// Deletes the user of a container start, which closes its connections. Idempotent.
    async fn revoke(&self, start: ContainerStartId) -> Result<(), PortError>;

    /// The users of container starts that exist.
    async fn list(&self) -> Result<Vec<ContainerStartId>, PortError>;
}

/// What the broker tells of its queues and of itself, through its management API. All of it may be some seconds old.
#[async_trait]
pub trait BrokerWatch: Send + Sync {
    /// All queues of the virtual host, in one request however many there are.
    async fn queues(&self) -> Result<Vec<QueueState>, PortError>;

    /// The broker itself, all its nodes together.
    async fn state(&self) -> Result<BrokerState, PortError>;
}

/// How a queue stood a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Messages (batches) that wait to be delivered.
    pub ready: u64,
    /// Messages (batches) that were delivered and not acknowledged.
    pub unacknowledged: u64,
    /// Consumers.
    pub consumers: u32,
    /// When the message at its head was published, in whole seconds; absent when it is empty or the broker does not say.
    pub oldest: Option<DateTime<Utc>>,
}

/// How a broker stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerState {
    /// Its version, for example `4.3.5`.
    pub version: String,
    /// Connections to it, also of others.
    pub connections: u64,
    /// What it is short of, a sentence for each node and resource.
    pub alarms: Vec<String>,
}
