//! The adapter of the broker against a real one. The fake keeps the same contract in its own crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use sluice_domain::topology::{LaneName, UNROUTABLE};
use sluice_domain::{DeploymentId, Tier};
use sluice_ports::broker::{Broker, Publish, Target};
use sluice_protocol::batch;
use sluice_rabbitmq::{Management, QueueType, RabbitMq};
use sluice_testkit::contract::broker::{BrokerHarness, suite, transcript};
use sluice_testkit::fakes::MemoryBroker;
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
        let dropped = eventually("connections to drop", Duration::from_secs(120), || async {
            Ok((self.host.drop_connections().await? >= CONNECTIONS).then_some(()))
        });
        assert!(dropped.await.is_ok(), "the broker lists the connections");
    }
}

/// How often a broker is new.
const ROUNDS: usize = 10;

/// The adapter publishes, consumes and controls on connections of their own.
const CONNECTIONS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_keeps_the_contract_of_the_broker() -> Result<()> {
    // As the harness does for its worlds; a second one is refused, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = VirtualHost::create(&unique("contract")).await?;
    let broker = Arc::new(RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic));
    broker.wait_until_up(Duration::from_secs(120)).await?;
    suite(&Harness { host: host.clone(), broker }).await;
    host.remove().await
}

/// What is sent while the first objects of an installation are just being declared has no lane yet. It is kept all the same.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_a_broker_is_new() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let lane = LaneName::common(DeploymentId::from_bits(1));
    for _ in 0..ROUNDS {
        let host = VirtualHost::create(&unique("new")).await?;
        let broker = Arc::new(RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic));
        broker.wait_until_up(Duration::from_secs(120)).await?;
        let declared = AtomicBool::new(false);
        let declaring = async {
            let outcome = broker.declare_base().await;
            declared.store(true, Ordering::SeqCst);
            outcome
        };
        let sending = async {
            let mut confirmed = 0;
            // One more once all is there, so that each round sends something.
            let mut last = false;
            while !last {
                last = declared.load(Ordering::SeqCst);
                let payload = batch::encode(&[b"{}".as_slice()]);
                let message = Publish {
                    target: Target::Lane(lane.clone()),
                    message_id: unique("message"),
                    kind: batch::ENVELOPES,
                    encoding: payload.encoding,
                    payload: payload.bytes,
                };
                confirmed += u32::from(broker.publish(message).await.is_ok());
            }
            confirmed
        };
        let (outcome, confirmed) = tokio::join!(declaring, sending);
        outcome?;
        ensure!(confirmed > 0, "nothing was sent");
        // Messages that nobody confirmed may be there besides.
        let kept = broker.depth(UNROUTABLE).await?.map_or(0, |depth| depth.ready);
        ensure!(kept >= confirmed, "{kept} of {confirmed} confirmed messages are there");
        host.remove().await?;
    }
    Ok(())
}

/// Random scripts that both brokers see. A script with a cut waits until the management API lists the connections.
const SCRIPTS: u64 = 12;

struct Fake(Arc<MemoryBroker>);

#[async_trait]
impl BrokerHarness for Fake {
    fn broker(&self) -> Arc<dyn Broker> {
        self.0.clone()
    }

    async fn drop_connections(&self) {
        self.0.drop_connections();
    }

    async fn pass(&self, tier: Tier) {
        self.0.advance_tier(tier);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_of_the_simulation_does_what_rabbitmq_does() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = VirtualHost::create(&unique("scripts")).await?;
    let broker = Arc::new(RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic));
    broker.wait_until_up(Duration::from_secs(120)).await?;
    broker.declare_base().await?;
    let real = Harness { host: host.clone(), broker };
    let fake = Fake(Arc::default());
    fake.0.declare_base().await?;
    for seed in 1..=SCRIPTS {
        let (seen, modelled) = (transcript(&real, seed).await, transcript(&fake, seed).await);
        let differs = seen.iter().zip(&modelled).position(|(one, other)| one != other);
        let told = differs.map(|at| (&seen[..at], &seen[at], &modelled[at]));
        assert_eq!(told, None, "script {seed}: what both saw, then what RabbitMQ and what the model shows");
        assert_eq!(seen.len(), modelled.len(), "script {seed}");
    }
    host.remove().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_tells_of_its_queues() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = VirtualHost::create(&unique("watch")).await?;
    let broker = RabbitMq::connect(&host.amqp_url().parse()?, QueueType::Classic);
    broker.wait_until_up(Duration::from_secs(120)).await?;
    let management = Management::new(&host.management_url(), host.vhost(), "watch")?;
    sluice_testkit::contract::watch::suite(&broker, &management).await;
    host.remove().await
}
