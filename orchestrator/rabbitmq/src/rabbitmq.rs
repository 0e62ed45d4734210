//! The broker port on RabbitMQ.

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use sluice_domain::DeploymentId;
use sluice_domain::topology::{self as names, LaneName};
use sluice_ports::broker::{Broker, Consumer, Depth, Health, Publish, PublishError};
use sluice_ports::{Fault, PortError};

use crate::config::{BrokerUrl, QueueType};
use crate::consumer::QueueConsumer;
use crate::link::Link;
use crate::publisher::Publisher;
use crate::topology;

/// RabbitMQ as the message broker.
pub struct RabbitMq {
    publishing: Link,
    consuming: Link,
    publisher: Publisher,
    queues: QueueType,
    /// A channel for declaring and asking. An error closes a channel, so it is replaced after each.
    control: tokio::sync::Mutex<Option<Channel>>,
}

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
            control: tokio::sync::Mutex::new(None),
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

    async fn channel(&self) -> Result<Channel, PortError> {
        let mut slot = self.control.lock().await;
        if let Some(channel) = slot.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let opening = async {
            let (_, connection) = self.consuming.now().await.ok_or("the broker adapter was shut down")?;
            connection.create_channel().await.map_err(|error| error.to_string())
        };
        let patience = std::time::Duration::from_secs(10);
        let opened: Result<Channel, String> = tokio::time::timeout(patience, opening)
            .await
            .unwrap_or_else(|_| Err("no connection within 10 s".to_owned()));
        let channel =
            opened.map_err(|reason| PortError::new(Fault::Transient, "open a broker channel", reason))?;
        *slot = Some(channel.clone());
        Ok(channel)
    }
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
        let channel = self.channel().await?;
        topology::declare_base(&channel, self.queues)
            .await
            .map_err(failed("declare the base topology".into()))
    }

    async fn declare_deployment(&self, deployment: DeploymentId) -> Result<(), PortError> {
        let channel = self.channel().await?;
        let operation = failed(format!("declare the exchange of {deployment}"));
        topology::declare_deployment(&channel, deployment, self.queues).await.map_err(operation)
    }

    async fn declare_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        let channel = self.channel().await?;
        topology::declare_lane(&channel, lane, self.queues).await.map_err(failed(format!("declare {lane}")))
    }

    async fn delete_queue_if_idle(&self, queue: &str) -> Result<bool, PortError> {
        if !queue.starts_with(names::LANE_PREFIX) {
            return Err(PortError::new(
                Fault::Permanent,
                format!("delete {queue}"),
                "only lanes are ever deleted",
            ));
        }
        let channel = self.channel().await?;
        topology::delete_if_idle(&channel, queue).await.map_err(failed(format!("delete {queue}")))
    }

    async fn delete_exchange(&self, deployment: DeploymentId) -> Result<(), PortError> {
        let channel = self.channel().await?;
        let operation = failed(format!("delete the exchange of {deployment}"));
        topology::delete_exchange(&channel, deployment).await.map_err(operation)
    }

    async fn depth(&self, queue: &str) -> Result<Option<Depth>, PortError> {
        let channel = self.channel().await?;
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
