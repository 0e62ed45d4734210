//! Deliveries, acknowledgements and redeliveries.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::FutureExt;
use sluice_domain::topology;
use sluice_ports::broker::{Consumer, Delivery, Publish, Target};
use sluice_protocol::batch::{ENVELOPES, Encoding};

use super::{BrokerHarness, ack, lane, message, next, publish, quiet, text};
use crate::contract::ok;
use crate::within;

pub(super) async fn suite(harness: &dyn BrokerHarness) {
    a_message_arrives_whole(harness).await;
    messages_keep_their_order(harness).await;
    prefetch_bounds_what_is_under_way(harness).await;
    waiting_for_a_delivery_may_be_given_up(harness).await;
    what_a_consumer_left_comes_again(harness).await;
    what_a_lost_connection_left_comes_again(harness).await;
    waiting_may_be_given_up_while_the_connection_comes_back(harness).await;
    publishing_goes_on_after_a_lost_connection(harness).await;
}

async fn a_message_arrives_whole(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 11).await;
    let payload = Bytes::from((0..=255_u8).cycle().take(200_000).collect::<Vec<_>>());
    let target = Target::Lane(lane.clone());
    let encoding = Encoding::Zstd;
    let message = Publish { encoding, payload: payload.clone(), ..message(target, "whole") };
    assert!(harness.broker().publish(message).await.is_ok());
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 1).await);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.exchange, topology::LANES);
    assert_eq!(delivery.routing_key, lane.as_str());
    assert_eq!(delivery.content_encoding.as_deref(), Some("zstd"));
    assert_eq!(delivery.kind.as_deref(), Some(ENVELOPES));
    assert!(!delivery.redelivered && delivery.payload == payload);
    ack(&mut consumer, &delivery).await;
}

async fn messages_keep_their_order(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 12).await;
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    for number in 0..50 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    for number in 0..50 {
        let delivery = next(&mut consumer).await;
        assert_eq!(text(&delivery), number.to_string());
        ack(&mut consumer, &delivery).await;
    }
}

async fn prefetch_bounds_what_is_under_way(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 13).await;
    for number in 0..3 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 2).await);
    let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
    quiet(&mut consumer).await;
    ack(&mut consumer, &second).await;
    let third = next(&mut consumer).await;
    assert_eq!(text(&third), "2");
    // In any order.
    ack(&mut consumer, &third).await;
    ack(&mut consumer, &first).await;
}

async fn waiting_for_a_delivery_may_be_given_up(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 14).await;
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    quiet(&mut consumer).await;
    for number in 0..20 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    for number in 0..20 {
        let delivery = next_to_the_impatient(&mut consumer).await;
        assert_eq!(text(&delivery), number.to_string(), "giving up a wait loses nothing");
        ack(&mut consumer, &delivery).await;
    }
}

/// Waits for a delivery by waits that are polled once and dropped, again and again.
async fn next_to_the_impatient(consumer: &mut Box<dyn Consumer>) -> Delivery {
    within("a delivery comes to one who is impatient", async {
        loop {
            if let Some(delivery) = consumer.next().now_or_never() {
                return delivery.expect("the broker was not shut down");
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// A consumer that was half-way made when its wait was given up must not hold messages that nobody sees.
async fn waiting_may_be_given_up_while_the_connection_comes_back(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 18).await;
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    for number in 0..30 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    next(&mut consumer).await;
    harness.drop_connections().await;
    let mut seen = BTreeSet::new();
    while seen.len() < 30 {
        let delivery = next_to_the_impatient(&mut consumer).await;
        // `false` when it came by the connection that was just lost; then it comes again.
        if ok(consumer.ack(delivery.tag).await) {
            seen.insert(text(&delivery));
        }
    }
    quiet(&mut consumer).await;
}

async fn what_a_consumer_left_comes_again(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 15).await;
    for number in 0..3 {
        publish(harness, Target::Lane(lane.clone()), &number.to_string()).await;
    }
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    for _ in 0..3 {
        next(&mut consumer).await;
    }
    drop(consumer);
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    for number in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!((text(&delivery), delivery.redelivered), (number.to_string(), true));
        ack(&mut consumer, &delivery).await;
    }
}

async fn what_a_lost_connection_left_comes_again(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 16).await;
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 10).await);
    for text in ["acknowledged", "open"] {
        publish(harness, Target::Lane(lane.clone()), text).await;
    }
    let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
    ack(&mut consumer, &first).await;
    harness.drop_connections().await;
    let again = next(&mut consumer).await;
    assert_eq!((text(&again).as_str(), again.redelivered), ("open", true));
    assert!(again.tag.generation > second.tag.generation, "a new connection has new tags");
    assert!(!ok(consumer.ack(second.tag).await), "the old tag means nothing any more");
    ack(&mut consumer, &again).await;
    quiet(&mut consumer).await;
}

async fn publishing_goes_on_after_a_lost_connection(harness: &dyn BrokerHarness) {
    let lane = lane(harness, 17).await;
    harness.drop_connections().await;
    let target = Target::Lane(lane.clone());
    crate::eventually("a publish is confirmed again", || async {
        harness.broker().publish(message(target.clone(), "x")).await.ok()
    })
    .await;
    let mut consumer = ok(harness.broker().consume(lane.as_str(), 1).await);
    let delivery = next(&mut consumer).await;
    assert_eq!(text(&delivery), "x");
    ack(&mut consumer, &delivery).await;
}
