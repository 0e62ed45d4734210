//! The benchmark: a three-step flow on real containers beside a raw AMQP relay of as many queue hops, in the same run.
//!
//! ```text
//! cargo run --release -p sluice-tests --bin bench [-- MESSAGES]
//! cargo run --release -p sluice-tests --bin bench -- plane [MESSAGES]
//! cargo run --release -p sluice-tests --bin bench -- growth [MESSAGES]
//! cargo run --release -p sluice-tests --bin bench -- flows [FLOWS]
//! cargo run --release -p sluice-tests --bin bench -- families [MESSAGES]
//! cargo run --release -p sluice-tests --bin bench -- backlog [MESSAGES]
//! cargo run --release -p sluice-tests --bin bench -- soak [MINUTES]
//! ```
//!
//! The second form measures the data plane by itself: see [`plane`]. The third what a message costs as bodies, steps and
//! flows grow: see [`growth`]. The fourth what many quiet flows cost: see [`flows`]. The fifth a component of another
//! platform: see [`families`]. The last two memory over time: see [`memory`](mod@memory).
//!
//! Needs the release binary of `sluice` and the component images; `tests/run` says which variables name the broker.
//! Prints throughput, latency, ratios, memory and start times; asserts nothing but that no message is lost.

mod families;
mod flows;
mod growth;
mod memory;
mod plane;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::Confirmation;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use serde_json::{Value, json};
use sluice_tests::workload::{self, order};
use sluice_tests::{Broker, Orchestrator, World, eventually, unique};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let part = arguments.next_if(|argument| {
        matches!(argument.as_str(), "plane" | "growth" | "flows" | "families" | "backlog" | "soak")
    });
    let usual = match part.as_deref() {
        Some("flows") => 1000,
        Some("families") => 20_000,
        Some("backlog") => 1_000_000,
        Some("soak") => 60,
        Some(_) => 200_000,
        None => 20_000,
    };
    let count: usize =
        arguments.next().map_or(Ok(usual), |text| text.parse()).context("this is no number")?;
    match part.as_deref() {
        Some("plane") => return print(&plane::run(count).await?),
        Some("families") => return print(&families::run(count).await?),
        Some("backlog") => return print(&memory::backlog(count).await?),
        Some("soak") => return print(&memory::soak(count).await?),
        Some("flows") => return print(&flows::run(count).await?),
        Some("growth") => return print(&growth::run(count).await?),
        _ => {}
    }
    let raw = raw(count).await?;
    let flow = flow(count).await?;
    let ratio = flow.per_second / raw.per_second;
    let report = json!({
        "messages": count,
        "raw_relay": { "per_second": raw.per_second.round(), "p50_ms": raw.p50, "p99_ms": raw.p99 },
        "flow": { "per_second": flow.per_second.round(), "p50_ms": flow.p50, "p99_ms": flow.p99 },
        "ratio": { "throughput": ratio, "p50": flow.p50 / raw.p50, "p99": flow.p99 / raw.p99 },
        "facts": flow.facts,
        "flows": many_flows(100).await?,
    });
    print(&report)
}

fn print(report: &Value) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(report)?)?)
}

struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
    facts: Value,
}

/// One message per publish, persistent, confirmed, acknowledged after the confirm, over two queues.
async fn raw(count: usize) -> Result<Figures> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let broker = Broker::create(&unique("bench-raw")).await?;
    let setup = broker.connect().await?;
    for queue in ["source", "middle", "sink"] {
        setup.queue(queue, None).await?;
    }
    let hops = [("source", "middle"), ("middle", "sink")]
        .map(|(from, to)| tokio::spawn(relay(broker.clone(), from, to)));
    let figures = measure(&broker, count).await;
    for hop in hops {
        hop.abort();
    }
    broker.remove().await?;
    figures
}

async fn relay(broker: Broker, from: &'static str, to: &'static str) -> Result<()> {
    let (inbound, outbound) = (broker.connect().await?, broker.connect().await?);
    inbound.channel.basic_qos(500, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut stream =
        inbound.channel.basic_consume(from.into(), "".into(), options, FieldTable::default()).await?;
    let mut pending = futures_util::stream::FuturesOrdered::new();
    loop {
        tokio::select! {
            Some(delivery) = stream.next(), if pending.len() < 500 => {
                let delivery = delivery?;
                let options = BasicPublishOptions::default();
                let properties = delivery.properties.clone();
                let confirm = outbound.channel.basic_publish("".into(), to.into(), options, &delivery.data, properties).await?;
                pending.push_back(async move { (confirm.await, delivery.acker) });
            }
            Some((confirm, acker)) = pending.next() => {
                ensure!(matches!(confirm?, Confirmation::Ack(None)), "not stored");
                acker.ack(BasicAckOptions::default()).await?;
            }
        }
    }
}

async fn flow(count: usize) -> Result<Figures> {
    let world = World::start("bench", &["rabbitmq"]).await?;
    let ready = world.orchestrator().map(|process| process.ready_after.as_millis());
    let amqp = workload::queues(&world).await?;
    amqp.publish_all("", "source", &[("warm-up".to_owned(), order(0).to_string().into_bytes())]).await?;
    let idle_before = memory(&world)?;
    let applied = Instant::now();
    workload::deploy(&world).await?;
    let arrived = || async { Ok((amqp.depth("sink").await? > 0).then_some(())) };
    eventually("the first message", Duration::from_secs(60), arrived).await?;
    let first = applied.elapsed();
    let idle = memory(&world)?;
    let sink = world.broker.connect().await?;
    sink.drain("sink", |_, _| true).await?;
    drop(sink);
    let figures = measure(&world.broker, count).await?;
    let facts = json!({
        "serve_to_ready_ms": ready,
        "apply_to_first_message_ms": first.as_millis(),
        "orchestrator_without_flows_kib": idle_before,
        "orchestrator_idle_kib": idle,
        "orchestrator_after_load_kib": memory(&world)?,
        "component_after_load_kib": component_memory(&world, "rabbitmq").await?,
    });
    world.stop().await?;
    Ok(Figures { facts, ..figures })
}

/// Applies many flows that share their containers, and waits until messages flow in each.
async fn many_flows(count: usize) -> Result<Value> {
    let world = World::start("many", &["timer", "log"]).await?;
    let applied = Instant::now();
    for number in 0..count {
        world.api.apply(&workload::ticking(&format!("tick-{number}"), "5s"), json!({})).await?;
    }
    let all_applied = applied.elapsed();
    for number in 0..count {
        eventually(&format!("tick-{number} to tick"), Duration::from_secs(120), || async {
            let counters = world.api.counters(&format!("tick-{number}"), "note").await?;
            Ok((counters["succeeded"].as_u64() >= Some(1)).then_some(()))
        })
        .await?;
    }
    let facts = json!({
        "count": count,
        "all_applied_seconds": all_applied.as_secs_f64(),
        "messages_in_each_after_seconds": applied.elapsed().as_secs_f64(),
        "containers": world.containers().await?.len(),
        "orchestrator_kib": memory(&world)?,
        "component_kib": component_memory(&world, "log").await?,
    });
    world.stop().await?;
    Ok(facts)
}

/// The resident memory of the orchestrator in KiB.
fn memory(world: &World) -> Result<u64> {
    Orchestrator::memory_kib(world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?)
}

/// The resident memory of a component's container in KiB.
async fn component_memory(world: &World, component: &str) -> Result<u64> {
    Orchestrator::memory_kib(world.process(component).await?)
}

/// Throughput of `count` messages at full speed, then latency at a hundred messages per second.
async fn measure(broker: &Broker, count: usize) -> Result<Figures> {
    let source = broker.connect().await?;
    let messages = workload::orders(count);
    let started = Instant::now();
    let publishing = tokio::spawn(async move { source.publish_all("", "source", &messages).await });
    let mut seen: HashMap<String, u32> = HashMap::new();
    let sink = broker.connect().await?;
    let collecting = sink.drain("sink", |id, _| {
        *seen.entry(id).or_default() += 1;
        seen.len() == count
    });
    tokio::time::timeout(Duration::from_secs(120), collecting).await.context("messages are missing")??;
    let per_second = float(count) / started.elapsed().as_secs_f64();
    publishing.await??;
    ensure!(seen.values().all(|times| *times == 1), "duplicates, though nothing was killed");
    drop(sink);
    let mut delays = latency(broker).await?;
    delays.sort_by(f64::total_cmp);
    let at = |share: usize| delays[(delays.len() - 1) * share / 100];
    Ok(Figures { per_second, p50: at(50), p99: at(99), facts: Value::Null })
}

async fn latency(broker: &Broker) -> Result<Vec<f64>> {
    const COUNT: usize = 1000;
    let epoch = Instant::now();
    let source = broker.connect().await?;
    let publishing = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        for n in 0..COUNT {
            beat.tick().await;
            let mut body = order(n);
            body["sent"] = json!(epoch.elapsed().as_secs_f64() * 1000.0);
            let message = (format!("latency-{n}"), body.to_string().into_bytes());
            source.publish_all("", "source", &[message]).await?;
        }
        anyhow::Ok(())
    });
    let sink = broker.connect().await?;
    let mut delays = Vec::with_capacity(COUNT);
    let collecting = sink.drain("sink", |_, body| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        delays.extend(body["sent"].as_f64().map(|sent| epoch.elapsed().as_secs_f64() * 1000.0 - sent));
        delays.len() == COUNT
    });
    tokio::time::timeout(Duration::from_secs(120), collecting).await.context("messages are missing")??;
    publishing.await??;
    Ok(delays)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn float(count: usize) -> f64 {
    count as f64
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}
