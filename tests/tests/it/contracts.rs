//! The adapter of the broker against a real one. The fake keeps the same contract in its own crate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use sluice_ports::broker::Broker;
use sluice_rabbitmq::{Management, QueueType, RabbitMq};
use sluice_testkit::contract::broker::{BrokerHarness, suite};
use sluice_tests::{Broker as VirtualHost, eventually, unique};

struct Harness {
    host: VirtualHost,
    broker: Arc<RabbitMq>,
}

#[async_trait]
impl BrokerHarness for Harness {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    async fn drop_connections(&self) {
        // The management API knows a new connection a moment later than the connection itself.
        let dropped = eventually("connections to drop", Duration::from_secs(30), || async {
            Ok((self.host.drop_connections().await? >= CONNECTIONS).then_some(()))
        });
        assert!(dropped.await.is_ok(), "the broker lists the connections");
    }
}

/// The adapter publishes, consumes and controls on connections of their own.
const CONNECTIONS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_keeps_the_contract_of_the_broker() -> Result<()> {
    // As the harness does for its worlds; a second one is refused, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = VirtualHost::create(&unique("contract")).await?;
    let broker = Arc::new(RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic));
    broker.wait_until_up(Duration::from_secs(30)).await?;
    suite(&Harness { host: host.clone(), broker }).await;
    host.remove().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_tells_of_its_queues() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = VirtualHost::create(&unique("watch")).await?;
    let broker = RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic);
    broker.wait_until_up(Duration::from_secs(30)).await?;
    let management = Management::new(&host.management_url(), host.vhost(), "watch")?;
    sluice_testkit::contract::watch::suite(&broker, &management).await;
    host.remove().await
}
