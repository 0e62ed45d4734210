//! The contract of [`BrokerWatch`].

use sluice_domain::topology::LaneName;
use sluice_domain::{DeploymentId, FlowId};
use sluice_ports::broker::{Broker, BrokerWatch, Publish, QueueState, Target};
use sluice_protocol::batch::{ENVELOPES, Encoding};

use super::ok;
use crate::eventually;
use crate::fixtures::step;

/// Runs the whole contract. The broker is up and to itself, for example a new virtual host, and both are about the same.
///
/// # Panics
/// Where the watch breaks its contract.
pub async fn suite(broker: &dyn Broker, watch: &dyn BrokerWatch) {
    assert!(!ok(watch.state().await).version.is_empty(), "the broker has a version");
    ok(broker.declare_base().await);
    let deployment = DeploymentId::from_bits(900);
    let lane = LaneName::of_step(deployment, FlowId::from_bits(1), &step("push"));
    ok(broker.declare_deployment(deployment).await);
    ok(broker.declare_lane(&lane).await);
    eventually("an empty queue is told of", || seen(watch, &lane, |queue| numbers(queue) == (0, 0, 0))).await;
    for number in 0..2_u8 {
        let message = Publish {
            target: Target::Lane(lane.clone()),
            message_id: number.to_string(),
            kind: ENVELOPES,
            encoding: Encoding::Plain,
            payload: vec![number].into(),
        };
        assert!(broker.publish(message).await.is_ok(), "a lane takes a message");
    }
    eventually("two messages wait", || seen(watch, &lane, |queue| numbers(queue) == (2, 0, 0))).await;
    let mut consumer = ok(broker.consume(lane.as_str(), 1).await);
    let delivery = consumer.next().await.expect("a message is delivered");
    eventually("one is held", || seen(watch, &lane, |queue| numbers(queue) == (1, 1, 1))).await;
    ok(consumer.ack(delivery.tag).await);
    consumer.next().await.expect("the other is delivered");
    eventually("the other is held", || seen(watch, &lane, |queue| numbers(queue) == (0, 1, 1))).await;
}

fn numbers(queue: &QueueState) -> (u64, u64, u32) {
    (queue.ready, queue.unacknowledged, queue.consumers)
}

async fn seen(watch: &dyn BrokerWatch, lane: &LaneName, fits: impl Fn(&QueueState) -> bool) -> Option<()> {
    let queues = ok(watch.queues().await);
    queues.iter().find(|queue| queue.name == lane.as_str()).filter(|queue| fits(queue)).map(drop)
}
