//! The broker port on RabbitMQ.

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use sluice_domain::DeploymentId;
use sluice_domain::topology::{self as names, LaneName};
use sluice_ports::broker::{Broker, Consumer, Depth, Health, Publish, PublishError};
use sluice_ports::{Fault, PortError, failpoint};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use crate::config::{BrokerUrl, QueueType};
use crate::consumer::QueueConsumer;
use crate::link::Link;
use crate::publisher::Publisher;
use crate::topology;

/// How long a channel may take to open.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// RabbitMQ as the message broker.
pub struct RabbitMq {
    publishing: Link,
    consuming: Link,
    publisher: Publisher,
    queues: QueueType,
    /// A connection for declaring and asking, whose channels errors close.
    controlling: Link,
    /// The channel for declaring.
    control: Slot,
    /// The channel for asking. Asking for a queue that is not there closes it, which must not hit a declaration.
    asking: Slot,
}

/// A channel that one caller uses at a time, and that is replaced after an error.
type Slot = tokio::sync::Mutex<Option<Channel>>;

impl RabbitMq {
    /// Begins to connect; returns at once. Must be called on a tokio runtime.
    #[must_use]
    pub fn connect(url: &BrokerUrl, queues: QueueType) -> Self {
        let publishing = Link::open(url, "publish");
        let consuming = Link::open(url, "consume");
        Self {
            publisher: Publisher::start(publishing.clone()),
            publishing,
            consuming,
            queues,
            controlling: Link::open(url, "control"),
            control: Slot::new(None),
            asking: Slot::new(None),
        }
    }

    /// Waits until both connections are up.
    ///
    /// # Errors
    /// A transient error with the broker's last answer when they are not up in time.
    pub async fn wait_until_up(&self, patience: std::time::Duration) -> Result<(), PortError> {
        let both = async { (self.publishing.now().await, self.consuming.now().await) };
        match tokio::time::timeout(patience, both).await {
            Ok(_) => Ok(()),
            Err(_) => {
                let reason = match self.health() {
                    Health::Down { reason, .. } | Health::Blocked(reason) => reason,
                    Health::Up => "no answer".to_owned(),
                };
                Err(PortError::new(Fault::Transient, "connect to the broker", reason))
            }
        }
    }

    /// A channel of a slot, for the caller alone until the guard is dropped.
    async fn channel<'a>(&self, slot: &'a Slot) -> Result<MappedMutexGuard<'a, Channel>, PortError> {
        let mut slot = slot.lock().await;
        if slot.as_ref().is_none_or(|channel| !channel.status().connected()) {
            *slot = None;
            let opened = tokio::time::timeout(PATIENCE, self.open_channel()).await;
            let reason = "no connection within 10 s";
            let opened = opened.unwrap_or_else(|_| Err(reason.into()));
            *slot = Some(
                opened.map_err(|error| PortError::new(Fault::Transient, "open a broker channel", error))?,
            );
        }
        Ok(MutexGuard::map(slot, |slot| slot.as_mut().expect("filled above")))
    }

    async fn open_channel(&self) -> Result<Channel, Box<dyn std::error::Error + Send + Sync>> {
        loop {
            let (_, connection) = self.controlling.now().await.ok_or("the broker adapter was shut down")?;
            match connection.create_channel().await {
                Ok(channel) => return Ok(channel),
                // The number of a channel that an error just closed may not be free yet.
                Err(error) if error.is_amqp_soft_error() => tokio::task::yield_now().await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Refuses to take anything from other queues than lanes.
fn only_a_lane(queue: &str, verb: &str) -> Result<(), PortError> {
    let known = queue.starts_with(names::LANE_PREFIX);
    let refused = || {
        PortError::new(
            Fault::Permanent,
            format!("{verb} {queue}"),
            "nothing is ever taken from other queues than lanes",
        )
    };
    known.then_some(()).ok_or_else(refused)
}

fn failed(operation: String) -> impl FnOnce(lapin::Error) -> PortError {
    move |error| {
        let fault = match topology::reply_code(&error) {
            Some(403 | 406 | 530) => Fault::Permanent,
            Some(404) => Fault::NotFound,
            _ => Fault::Transient,
        };
        PortError::new(fault, operation, error)
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn declare_base(&self) -> Result<(), PortError> {
        failpoint::reach("declare_base").await?;
        let channel = self.channel(&self.control).await?;
        topology::declare_base(&channel, self.queues)
            .await
            .map_err(failed("declare the base topology".into()))
    }

    async fn declare_deployment(&self, deployment: DeploymentId) -> Result<(), PortError> {
        let channel = self.channel(&self.control).await?;
        let operation = failed(format!("declare the exchange of {deployment}"));
        topology::declare_deployment(&channel, deployment, self.queues).await.map_err(operation)
    }

    async fn declare_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        let channel = self.channel(&self.control).await?;
        topology::declare_lane(&channel, lane, self.queues).await.map_err(failed(format!("declare {lane}")))
    }

    async fn delete_queue_if_idle(&self, queue: &str) -> Result<bool, PortError> {
        only_a_lane(queue, "delete")?;
        let channel = self.channel(&self.control).await?;
        topology::delete_if_idle(&channel, queue).await.map_err(failed(format!("delete {queue}")))
    }

    async fn purge(&self, queue: &str) -> Result<u32, PortError> {
        only_a_lane(queue, "purge")?;
        let channel = self.channel(&self.control).await?;
        topology::purge(&channel, queue).await.map_err(failed(format!("purge {queue}")))
    }

    async fn delete_exchange(&self, deployment: DeploymentId) -> Result<(), PortError> {
        let channel = self.channel(&self.control).await?;
        let operation = failed(format!("delete the exchange of {deployment}"));
        topology::delete_exchange(&channel, deployment).await.map_err(operation)
    }

    async fn depth(&self, queue: &str) -> Result<Option<Depth>, PortError> {
        let channel = self.channel(&self.asking).await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Ok(found) => Ok(Some(Depth { ready: found.message_count(), consumers: found.consumer_count() })),
            Err(error) if topology::reply_code(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed(format!("look at {queue}"))(error)),
        }
    }

    async fn publish(&self, message: Publish) -> Result<(), PublishError> {
        self.publisher.publish(message).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, PortError> {
        Ok(Box::new(QueueConsumer::new(self.consuming.clone(), queue.to_owned(), prefetch)))
    }

    fn health(&self) -> Health {
        match self.publishing.health() {
            Health::Up => self.consuming.health(),
            other => other,
        }
    }
}
