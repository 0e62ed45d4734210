//! Kills: a component, the orchestrator, every connection. Nothing is lost, and duplicates are recognisable.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use sluice_tests::workload::{self, SINK, SOURCE};
use sluice_tests::{World, container_log, docker, eventually};

/// The ids that arrived at the sink, and how often each.
type Ledger = BTreeMap<String, u32>;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_parts_are_killed_and_containers_are_adopted() -> Result<()> {
    let mut world = World::start("kills", &["rabbitmq"]).await?;
    let source = workload::queues(&world).await?;
    workload::deploy(&world).await?;
    world.running(workload::FLOW).await?;
    let total = 6000;
    let publishing =
        tokio::spawn(async move { source.publish_all("", SOURCE, &workload::orders(total)).await });
    moved(&world, 500).await?;
    world.end_container("rabbitmq", "KILL").await?;
    moved(&world, 1500).await?;
    let before = world.container("rabbitmq").await?;
    let started = docker(&["inspect", "--format", "{{.State.StartedAt}}", &before]).await?;
    world.kill_and_restart().await?;
    moved(&world, 3000).await?;
    let after = docker(&["inspect", "--format", "{{.State.StartedAt}}", &before]).await?;
    assert_eq!(started, after, "the container was not adopted");
    world.broker.drop_connections().await?;
    publishing.await??;

    let mut ledger = Ledger::new();
    let amqp = world.broker.connect().await?;
    let drained = amqp.drain(SINK, |id, _| {
        *ledger.entry(id).or_default() += 1;
        ledger.len() == total
    });
    let patience = Duration::from_secs(120);
    let in_time = tokio::time::timeout(patience, drained).await;
    in_time.with_context(|| format!("{} of {total} arrived", ledger.len()))??;
    let letters = world.api.get("/api/v1/dead-letters").await?;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(0), "{letters}");
    world.stop().await
}

/// A connection that ends says nothing about the messages in flight on it.
#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_put_nothing_under_suspicion() -> Result<()> {
    let world = World::start("flaps", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    amqp.publish_all("", SOURCE, &workload::orders(4000)).await?;
    workload::deploy(&world).await?;
    for count in [500, 1500, 2500] {
        moved(&world, count).await?;
        world.broker.drop_connections().await?;
    }
    moved(&world, 4000).await?;
    let log = container_log(&world.container("rabbitmq").await?).await?;
    assert!(log.contains("consuming"), "{log}");
    assert!(!log.contains("came back"), "{log}");
    world.stop().await
}

/// What a container gives back when it is told to end runs again elsewhere, as the same attempt. The outcome of that run
/// must not be taken for the one that gave it back.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_containers_are_told_to_end() -> Result<()> {
    let world = World::start("ends", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    let total = 6000;
    amqp.publish_all("", SOURCE, &workload::orders(total)).await?;
    workload::deploy(&world).await?;
    for count in [500, 2000, 3500] {
        moved(&world, count).await?;
        world.end_container("rabbitmq", "TERM").await?;
    }
    let mut ledger = Ledger::new();
    let drained = amqp.drain(SINK, |id, _| {
        *ledger.entry(id).or_default() += 1;
        ledger.len() == total
    });
    let in_time = tokio::time::timeout(Duration::from_secs(120), drained).await;
    in_time.with_context(|| format!("{} of {total} arrived", ledger.len()))??;
    world.stop().await
}

/// Waits until so many messages left for the sink, as far as this orchestrator process and its history count.
async fn moved(world: &World, count: u32) -> Result<()> {
    let amqp = world.broker.connect().await?;
    eventually(&format!("{count} messages at the sink"), Duration::from_secs(120), || async {
        let there = amqp.depth(SINK).await?;
        if there >= count {
            return Ok(Some(()));
        }
        let flow = world.api.get("/api/v1/flows/bench").await?;
        anyhow::bail!("{there} of {count}, {} waiting; {flow}", amqp.depth(SOURCE).await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_ends_well_and_loses_nothing() -> Result<()> {
    let mut world = World::start("graceful", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    workload::deploy(&world).await?;
    amqp.publish_all("", SOURCE, &workload::orders(2000)).await?;
    moved(&world, 200).await?;
    let status = world.restart().await?;
    assert!(status.success(), "{status}");
    let mut ledger = Ledger::new();
    let drained = amqp.drain(SINK, |id, _| {
        *ledger.entry(id).or_default() += 1;
        ledger.len() == 2000
    });
    tokio::time::timeout(Duration::from_secs(120), drained).await.context("waiting for 2000")??;
    world.stop().await
}
