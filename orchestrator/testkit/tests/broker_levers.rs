//! The levers of the memory broker.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use bytes::Bytes;
use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, FlowId};
use sluice_ports::broker::{Broker, Health, Publish, PublishError, Target};
use sluice_protocol::batch::{ENVELOPES, Encoding};
use sluice_testkit::fakes::MemoryBroker;
use sluice_testkit::fixtures::step;

async fn broker() -> (MemoryBroker, LaneName) {
    let broker = MemoryBroker::default();
    let deployment = DeploymentId::from_bits(1);
    let lane = LaneName::of_step(deployment, FlowId::from_bits(1), &step("push"));
    broker.declare_base().await.unwrap();
    broker.declare_deployment(deployment).await.unwrap();
    broker.declare_lane(&lane).await.unwrap();
    (broker, lane)
}

fn message(lane: &LaneName) -> Publish {
    Publish {
        target: Target::Lane(lane.clone()),
        message_id: "1".to_owned(),
        kind: ENVELOPES,
        encoding: Encoding::Plain,
        payload: Bytes::from_static(b"x"),
    }
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let (broker, lane) = broker().await;
    broker.set_max_length(lane.as_str(), Some(1));
    broker.publish(message(&lane)).await.unwrap();
    assert!(matches!(broker.publish(message(&lane)).await, Err(PublishError::Refused)));
    assert_eq!(broker.take(lane.as_str()).len(), 1);
    broker.publish(message(&lane)).await.unwrap();
}

#[tokio::test]
async fn an_unknown_publish_is_stored_or_not_as_the_test_says() {
    let (broker, lane) = broker().await;
    for (stored, waiting) in [(false, 0), (true, 1)] {
        broker.fail_publishes(1, stored);
        assert!(matches!(broker.publish(message(&lane)).await, Err(PublishError::Unknown(_))));
        assert_eq!(broker.waiting(lane.as_str()).len(), waiting);
    }
    broker.publish(message(&lane)).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_away_comes_back_with_everything() {
    let (broker, lane) = broker().await;
    broker.publish(message(&lane)).await.unwrap();
    let mut consumer = broker.consume(lane.as_str(), 1).await.unwrap();
    let held = consumer.next().await.unwrap();
    broker.set_down(true);
    assert!(matches!(broker.health(), Health::Down { .. }));
    assert!(matches!(broker.publish(message(&lane)).await, Err(PublishError::Unknown(_))));
    assert!(!consumer.ack(held.tag).await.unwrap());
    broker.set_down(false);
    assert!(consumer.next().await.unwrap().redelivered);
}

#[tokio::test]
async fn a_router_queue_has_one_active_consumer() {
    let (broker, _) = broker().await;
    let queue = topology::router_queue(3);
    let mut first = broker.consume(&queue, 1).await.unwrap();
    let mut second = broker.consume(&queue, 1).await.unwrap();
    broker.publish_as_component(DeploymentId::from_bits(1), 3, "one");
    let delivery = tokio::select! {
        biased;
        delivery = second.next() => panic!("the second must wait, but got {delivery:?}"),
        delivery = first.next() => delivery.unwrap(),
    };
    assert_eq!(delivery.exchange, topology::exchange(DeploymentId::from_bits(1)));
    drop(first);
    assert!(second.next().await.unwrap().redelivered, "it takes over what the first one held");
}

#[tokio::test]
async fn a_shut_down_ends_the_consumers() {
    let (broker, lane) = broker().await;
    let mut consumer = broker.consume(lane.as_str(), 1).await.unwrap();
    broker.shut_down();
    assert!(consumer.next().await.is_none());
}
