//! A server without rights of its own, and the launcher that has them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, World, docker, eventually, sluice_as};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::orders::listening;

const PATIENCE: Duration = Duration::from_secs(90);
/// A user that nobody knows.
const STRANGER: u32 = 64_103;
/// The user that the server runs as.
const SERVER: u32 = 64_102;

fn template(url: &str) -> String {
    format!(
        r#"
---
sluice: 1
kind: template
name: launched
version: 1.0.0
instances:
  shop: {{ connector: rabbitmq }}
steps:
  - id: listen
    use: shop/listen
    config: {{ exchange: shop.events, routing_key: "order.*" }}
  - id: post
    use: http/request
    when: = $exists(body.number)
    input: {{ number: $.body.number }}
    config: {{ method: POST, url: "{url}/orders" }}
    concurrency: 8
"#
    )
}

fn orders(numbers: std::ops::Range<u32>) -> Vec<(String, Vec<u8>)> {
    let order = |number| (format!("order-{number}"), json!({ "number": number }).to_string().into_bytes());
    numbers.map(order).collect()
}

fn numbers(sink: &HttpSink) -> BTreeSet<u64> {
    sink.received().iter().filter_map(|received| received.body["number"].as_u64()).collect()
}

async fn arrived(sink: &HttpSink, count: usize) -> Result<()> {
    eventually(&format!("{count} orders"), PATIENCE, || async {
        let there = numbers(sink).len();
        ensure!(there == count, "{there} of {count}");
        Ok(Some(()))
    })
    .await
}

/// Whether the server says that it is ready, in the end.
async fn ready(world: &World, expect: bool) -> Result<()> {
    eventually(&format!("ready to be {expect}"), PATIENCE, || async {
        let (status, said) = world.api.raw("GET", "/readyz", None).await?;
        ensure!((status == 200) == expect, "{status} {said}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_launcher_is_killed() -> Result<()> {
    let mut world = World::start_behind_launcher("launch", &["rabbitmq", "http"]).await?;
    let sink = HttpSink::start().await?;
    let amqp = world.broker.connect().await?;
    amqp.exchange("shop.events").await?;
    world.apply_with_broker("shop", &template(&sink.url(&world.host))).await?;
    world.running("launched").await?;
    listening(&world, &amqp).await?;
    amqp.publish_all("shop.events", "order.created", &orders(0..100)).await?;
    arrived(&sink, 100).await?;

    // Without it containers go on, and the server tells what is missing.
    world.launcher.as_mut().context("there is one")?.kill().await?;
    ready(&world, false).await?;
    amqp.publish_all("shop.events", "order.created", &orders(100..200)).await?;
    arrived(&sink, 200).await?;
    // A container that ends is missing until there is a launcher again; what is for it waits.
    let http = world.container("http").await?;
    docker(&["kill", &http]).await?;
    amqp.publish_all("shop.events", "order.created", &orders(200..300)).await?;
    eventually("the orders to wait", PATIENCE, || async {
        let counters = world.api.counters("launched", "listen").await?;
        Ok((counters["emitted"].as_u64() >= Some(300)).then_some(()))
    })
    .await?;
    ensure!(numbers(&sink).len() == 200, "nobody is there to post them");
    let running = docker(&["inspect", "--format", "{{.State.Running}}", &http]).await?;
    ensure!(running == "false", "nobody can start it");

    world.launcher.as_mut().context("there is one")?.restart().await?;
    arrived(&sink, 300).await?;
    ready(&world, true).await?;
    // Killed again and again while it starts what ends: whatever it had begun, it comes right.
    for round in 4..8 {
        docker(&["kill", &world.container("http").await?]).await.ok();
        amqp.publish_all("shop.events", "order.created", &orders(round * 100..round * 100 + 50)).await?;
        let launcher = world.launcher.as_mut().context("there is one")?;
        launcher.kill().await?;
        launcher.restart().await?;
    }
    arrived(&sink, 500).await?;
    // And a server that is killed meets it again.
    world.kill_and_restart().await?;
    amqp.publish_all("shop.events", "order.created", &orders(300..400)).await?;
    arrived(&sink, 600).await?;

    let log = world.launcher.as_ref().context("there is one")?.log();
    for part in ["verb=\"start\"", "verb=\"remove\"", "peer.uid=64102", "outcome=\"done\""] {
        ensure!(log.contains(part), "{part} is not in the launcher's log: {log}");
    }
    ensure!(!log.contains("sluice_run_"), "a token is in the launcher's log");
    world.stop().await
}

/// The level of a finding of `sluice doctor` as a user sees it.
async fn finding(world: &World, user: u32, code: &str) -> Result<Value> {
    let output = sluice_as(user, &["doctor", "--output", "json"], world.environment()).await?;
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    findings.into_iter().find(|finding| finding["code"] == code).with_context(|| format!("no {code}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_server_may_ask_the_launcher() -> Result<()> {
    let world = World::start_behind_launcher("refuse", &[]).await?;
    let socket = world.launcher.as_ref().context("there is one")?.socket();
    // Root may open every socket, and is not among those that the launcher answers.
    let mut stream = UnixStream::connect(&socket).await?;
    let asked = format!(
        "POST /v1/list HTTP/1.1\r\nhost: x\r\nsluice-installation: {}\r\ncontent-length: 2\r\n\r\n{{}}",
        world.name
    );
    stream.write_all(asked.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 403") && answer.contains("L0001"), "{answer}");
    let engine = finding(&world, 0, "D0002").await?;
    ensure!(engine["level"] == "error" && engine["found"].to_string().contains("L0001"), "{engine}");
    // Others do not even reach it.
    let engine = finding(&world, STRANGER, "D0002").await?;
    ensure!(
        engine["level"] == "error" && engine["found"].to_string().contains("ermission denied"),
        "{engine}"
    );

    // The server's own user asks the launcher, and has no other way.
    let engine = finding(&world, SERVER, "D0002").await?;
    ensure!(engine["level"] == "ok", "{engine}");
    let access = finding(&world, SERVER, "D0019").await?;
    ensure!(access["level"] == "ok", "{access}");
    let access = finding(&world, 0, "D0019").await?;
    ensure!(access["level"] == "warning" && access["found"].to_string().contains("docker.sock"), "{access}");
    world.stop().await
}
