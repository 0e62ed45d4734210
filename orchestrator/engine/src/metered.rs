//! The broker, with what is published to it counted and timed.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use sluice_domain::DeploymentId;
use sluice_domain::topology::LaneName;
use sluice_ports::PortError;
use sluice_ports::broker::{Broker, Consumer, Depth, Health, Publish, PublishError};

use crate::meters::Meters;

/// A broker whose publishes are counted. Everything else is the broker's own.
pub(crate) struct Metered {
    broker: Arc<dyn Broker>,
    meters: Arc<Meters>,
}

impl Metered {
    pub(crate) fn new(broker: Arc<dyn Broker>, meters: Arc<Meters>) -> Self {
        Self { broker, meters }
    }
}

#[async_trait]
impl Broker for Metered {
    async fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let begun = Instant::now();
        let under_way = self.meters.unconfirmed.enter();
        let published = self.broker.publish(message).await;
        drop(under_way);
        match &published {
            Ok(()) => self.meters.confirming.observe(begun.elapsed()),
            Err(PublishError::Refused) => self.meters.refused.add(1),
            Err(PublishError::Unknown(_)) => self.meters.unknown.add(1),
        }
        published
    }

    async fn declare_base(&self) -> Result<(), PortError> {
        self.broker.declare_base().await
    }

    async fn declare_deployment(&self, deployment: DeploymentId) -> Result<(), PortError> {
        self.broker.declare_deployment(deployment).await
    }

    async fn declare_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.broker.declare_lane(lane).await
    }

    async fn delete_queue_if_idle(&self, queue: &str) -> Result<bool, PortError> {
        self.broker.delete_queue_if_idle(queue).await
    }

    async fn purge(&self, queue: &str) -> Result<u32, PortError> {
        self.broker.purge(queue).await
    }

    async fn delete_exchange(&self, deployment: DeploymentId) -> Result<(), PortError> {
        self.broker.delete_exchange(deployment).await
    }

    async fn depth(&self, queue: &str) -> Result<Option<Depth>, PortError> {
        self.broker.depth(queue).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, PortError> {
        self.broker.consume(queue, prefetch).await
    }

    fn health(&self) -> Health {
        self.broker.health()
    }
}
