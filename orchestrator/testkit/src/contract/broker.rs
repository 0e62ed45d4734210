//! The contract of [`Broker`].

mod delivery;
mod queues;
mod script;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluice_domain::topology::LaneName;
use sluice_domain::{DeploymentId, FlowId, Tier};
use sluice_ports::broker::{Broker, Consumer, Delivery, Publish, Target};
use sluice_protocol::batch::{ENVELOPES, Encoding};

pub use script::transcript;

use super::ok;
use crate::fixtures::step;
use crate::within;

/// What the suite needs beside the broker.
#[async_trait]
pub trait BrokerHarness: Send + Sync {
    /// The broker. The suite expects it to be empty and to itself, for example a new virtual host.
    fn broker(&self) -> Arc<dyn Broker>;

    /// Cuts all connections of the adapter, as a restart of the broker does. They may come back in their own time.
    async fn drop_connections(&self);

    /// Waits until a stay in a retry tier is over. A fake moves its time instead.
    async fn pass(&self, tier: Tier) {
        tokio::time::sleep(tier.stay()).await;
    }
}

/// How long to watch that something does not happen.
const QUIET: Duration = Duration::from_millis(200);

/// Runs the whole contract.
///
/// # Panics
/// Where the broker breaks its contract.
pub async fn suite(harness: &dyn BrokerHarness) {
    for _ in 0..2 {
        ok(harness.broker().declare_base().await);
    }
    queues::suite(harness).await;
    delivery::suite(harness).await;
}

/// A lane of a deployment of its own, both declared.
async fn lane(harness: &dyn BrokerHarness, number: u128) -> LaneName {
    let deployment = DeploymentId::from_bits(number);
    let lane = LaneName::of_step(deployment, FlowId::from_bits(1), &step("push"));
    for _ in 0..2 {
        ok(harness.broker().declare_deployment(deployment).await);
        ok(harness.broker().declare_lane(&lane).await);
    }
    lane
}

/// A message for a target, its text being also its id.
fn message(target: Target, text: &str) -> Publish {
    Publish {
        target,
        message_id: text.to_owned(),
        kind: ENVELOPES,
        encoding: Encoding::Plain,
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }
}

async fn publish(harness: &dyn BrokerHarness, target: Target, text: &str) {
    let published = harness.broker().publish(message(target, text)).await;
    assert!(published.is_ok(), "`{text}` must be stored, but: {published:?}");
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    within("a delivery comes", consumer.next()).await.expect("the broker was not shut down")
}

async fn ack(consumer: &mut Box<dyn Consumer>, delivery: &Delivery) {
    assert!(ok(consumer.ack(delivery.tag).await), "the connection of `{}` is there", text(delivery));
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.payload).into_owned()
}

/// That nothing is delivered for now.
async fn quiet(consumer: &mut Box<dyn Consumer>) {
    if let Ok(delivery) = tokio::time::timeout(QUIET, consumer.next()).await {
        panic!("nothing must be delivered, but: {delivery:?}");
    }
}
