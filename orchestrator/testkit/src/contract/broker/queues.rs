//! Declaring, counting and deleting; where messages go.

use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, FlowId, Tier};
use sluice_ports::broker::{Broker, Depth, Health, Target};
use std::sync::Arc;

use super::{BrokerHarness, ack, lane, next, publish, text};
use crate::contract::ok;
use crate::eventually;
use crate::fixtures::step;

pub(super) async fn suite(harness: &dyn BrokerHarness) {
    a_queue_is_counted(harness).await;
    only_an_idle_queue_is_deleted(harness).await;
    a_purge_throws_away_what_waits(harness).await;
    an_exchange_is_deleted_once_or_twice(harness).await;
    every_target_has_its_queue(harness).await;
    what_fits_no_lane_is_unroutable(harness).await;
    a_retry_is_due_after_its_stay(harness).await;
    assert_eq!(harness.broker().health(), Health::Up);
}

async fn depth(broker: &Arc<dyn Broker>, queue: &str, ready: u32, consumers: u32) {
    let expect = Some(Depth { ready, consumers });
    eventually(&format!("{queue} has the depth {expect:?}"), || async {
        (ok(broker.depth(queue).await) == expect).then_some(())
    })
    .await;
}

async fn a_queue_is_counted(harness: &dyn BrokerHarness) {
    let broker = harness.broker();
    let absent = LaneName::of_step(DeploymentId::from_bits(99), FlowId::from_bits(1), &step("push"));
    assert_eq!(ok(broker.depth(absent.as_str()).await), None);
    let lane = lane(harness, 1).await;
    depth(&broker, lane.as_str(), 0, 0).await;
    for number in 0..3 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    depth(&broker, lane.as_str(), 3, 0).await;
    let mut consumer = ok(broker.consume(lane.as_str(), 1).await);
    let first = next(&mut consumer).await;
    depth(&broker, lane.as_str(), 2, 1).await;
    ack(&mut consumer, &first).await;
}

async fn a_purge_throws_away_what_waits(harness: &dyn BrokerHarness) {
    let broker = harness.broker();
    let lane = lane(harness, 6).await;
    let queue = lane.as_str();
    let mut consumer = ok(broker.consume(queue, 1).await);
    for text in ["held", "waits", "waits too"] {
        publish(harness, Target::Lane(lane.clone()), text).await;
    }
    let held = next(&mut consumer).await;
    depth(&broker, queue, 2, 1).await;
    assert_eq!(ok(broker.purge(queue).await), 2);
    assert_eq!(ok(broker.purge(queue).await), 0);
    assert!(ok(consumer.ack(held.tag).await), "what was delivered is not touched");
    depth(&broker, queue, 0, 1).await;
    drop(consumer);
    depth(&broker, queue, 0, 0).await;
    assert!(ok(broker.delete_queue_if_idle(queue).await));
    assert_eq!(ok(broker.purge(queue).await), 0, "there is no such queue");
}

async fn only_an_idle_queue_is_deleted(harness: &dyn BrokerHarness) {
    let broker = harness.broker();
    let lane = lane(harness, 2).await;
    let queue = lane.as_str();
    publish(harness, Target::Lane(lane.clone()), "x").await;
    depth(&broker, queue, 1, 0).await;
    assert!(!ok(broker.delete_queue_if_idle(queue).await), "a queue with a message stays");
    let mut consumer = ok(broker.consume(queue, 1).await);
    let delivery = next(&mut consumer).await;
    ack(&mut consumer, &delivery).await;
    depth(&broker, queue, 0, 1).await;
    assert!(!ok(broker.delete_queue_if_idle(queue).await), "a queue with a consumer stays");
    drop(consumer);
    depth(&broker, queue, 0, 0).await;
    assert!(ok(broker.delete_queue_if_idle(queue).await));
    assert!(ok(broker.delete_queue_if_idle(queue).await), "what is gone is gone");
    assert_eq!(ok(broker.depth(queue).await), None);
}

async fn an_exchange_is_deleted_once_or_twice(harness: &dyn BrokerHarness) {
    let deployment = lane(harness, 3).await.deployment();
    ok(harness.broker().delete_exchange(deployment).await);
    ok(harness.broker().delete_exchange(deployment).await);
    ok(harness.broker().declare_deployment(deployment).await);
}

async fn every_target_has_its_queue(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 4).await;
    let deployment = lane.deployment();
    for (target, queue) in [
        (Target::Lane(lane.clone()), lane.as_str().to_owned()),
        (Target::Suspects(deployment), topology::suspects_queue(deployment)),
        (Target::Invocations(deployment), topology::invocations_queue(deployment)),
        (Target::Router(0), topology::router_queue(0)),
        (Target::Router(15), topology::router_queue(15)),
    ] {
        publish(harness, target.clone(), "x").await;
        let mut consumer = ok(harness.broker().consume(&queue, 1).await);
        let delivery = next(&mut consumer).await;
        assert_eq!(text(&delivery), "x", "{target:?} is in {queue}");
        assert_eq!(
            delivery.exchange,
            topology::LANES,
            "{target:?}: the orchestrator publishes to one exchange only"
        );
        ack(&mut consumer, &delivery).await;
    }
}

async fn what_fits_no_lane_is_unroutable(harness: &dyn BrokerHarness) {
    let lane = LaneName::of_step(DeploymentId::from_bits(98), FlowId::from_bits(1), &step("push"));
    publish(harness, Target::Lane(lane.clone()), "lost").await;
    let mut consumer = ok(harness.broker().consume(topology::UNROUTABLE, 1).await);
    let delivery = next(&mut consumer).await;
    assert_eq!((text(&delivery).as_str(), delivery.routing_key.as_str()), ("lost", lane.as_str()));
    ack(&mut consumer, &delivery).await;
}

async fn a_retry_is_due_after_its_stay(harness: &dyn BrokerHarness) {
    let mut consumer = ok(harness.broker().consume(topology::DUE, 1).await);
    publish(harness, Target::Retry(Tier::S1), "again").await;
    super::quiet(&mut consumer).await;
    harness.pass(Tier::S1).await;
    let delivery = next(&mut consumer).await;
    assert_eq!(text(&delivery), "again");
    assert_eq!(delivery.kind.as_deref(), Some(sluice_protocol::batch::ENVELOPES), "it keeps its properties");
    ack(&mut consumer, &delivery).await;
}
