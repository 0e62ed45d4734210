//! Memory over time: while a great backlog is worked off, while a sink is slow, and over a long run at an even rate.

use std::io::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use sluice_tests::workload::{self, SINK, SOURCE, order};
use sluice_tests::{Amqp, Orchestrator, World};

/// How long a slow sink is watched.
const SLOW: Duration = Duration::from_secs(60);
/// Messages a second of the long run.
const RATE: u32 = 200;
/// Messages that each of the publishers of a backlog makes at a time.
const CHUNK: usize = 10_000;
/// Connections that a backlog is published by.
const PUBLISHERS: usize = 4;

/// Memory of each party in KiB.
#[derive(Clone, Copy, Default)]
struct Memory {
    orchestrator: u64,
    component: u64,
    broker: u64,
}

impl Memory {
    async fn of(world: &World, component: &str) -> Result<Self> {
        let orchestrator = world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
        let broker = world.broker.pid().await?;
        Ok(Self {
            orchestrator: Orchestrator::memory_kib(orchestrator)?,
            component: Orchestrator::memory_kib(world.process(component).await?)?,
            broker: Orchestrator::memory_kib(broker)?,
        })
    }

    fn most(self, other: Self) -> Self {
        Self {
            orchestrator: self.orchestrator.max(other.orchestrator),
            component: self.component.max(other.component),
            broker: self.broker.max(other.broker),
        }
    }

    fn report(self) -> Value {
        json!({
            "orchestrator_kib": self.orchestrator, "component_kib": self.component, "broker_kib": self.broker,
        })
    }
}

/// Works off `count` orders that wait when the flow is deployed, then watches a flow whose sink is slow.
pub(crate) async fn backlog(count: usize) -> Result<Value> {
    let world = World::start("backlog", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    publish(&amqp, &[0]).await?;
    workload::deploy(&world).await?;
    reached(&amqp, 1).await?;
    let before = Memory::of(&world, "rabbitmq").await?;
    world.api.call("POST", "/api/v1/flows/bench/pause", None).await?;
    fill(&world, 1..count).await?;
    let waiting = amqp.depth(SOURCE).await?;
    let begun = Instant::now();
    world.api.call("POST", "/api/v1/flows/bench/start", None).await?;
    let (mut most, mut arrived) = (Memory::default(), 0);
    while arrived < u32::try_from(count)? {
        tokio::time::sleep(Duration::from_millis(500)).await;
        most = most.most(Memory::of(&world, "rabbitmq").await?);
        arrived = amqp.depth(SINK).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    world.stop().await?;
    Ok(json!({
        "backlog": {
            "messages": count, "waiting_at_first": waiting, "seconds": seconds,
            "before": before.report(), "most": most.report(),
        },
        "slow_sink": slow().await?,
    }))
}

/// Publishes the orders of these numbers.
async fn fill(world: &World, numbers: Range<usize>) -> Result<()> {
    let share = |first| {
        let mine: Vec<usize> = numbers.clone().skip(first).step_by(PUBLISHERS).collect();
        async move {
            let amqp = world.broker.connect().await?;
            for chunk in mine.chunks(CHUNK) {
                publish(&amqp, chunk).await?;
            }
            anyhow::Ok(())
        }
    };
    try_join_all((0..PUBLISHERS).map(share)).await?;
    Ok(())
}

/// A source that gives all it can, and a sink that takes four at a time and a tenth of a second for each.
async fn slow() -> Result<Value> {
    let world = World::start("slow", &["faulty"]).await?;
    let mut body = order(0);
    body.as_object_mut().context("an order is an object")?.remove("id");
    let template = format!(
        "sluice: 1\nkind: template\nname: slow\nversion: 1.0.0\nsteps:\n  \
         - {{ id: source, use: faulty/stream, config: {{ count: 100000000, body: {body} }} }}\n  \
         - {{ id: sink, use: faulty/act, concurrency: 4, config: {{ do: slow, ms: 100 }} }}\n\
         ---\nsluice: 1\nkind: flow\nname: slow\ntemplate: slow\n"
    );
    world.api.apply(&template, json!({})).await?;
    world.running("slow").await?;
    let before = Memory::of(&world, "faulty").await?;
    let begun = Instant::now();
    let (mut first, mut second) = (Memory::default(), Memory::default());
    while begun.elapsed() < SLOW {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Memory::of(&world, "faulty").await?;
        let half = if begun.elapsed() < SLOW / 2 { &mut first } else { &mut second };
        *half = half.most(now);
    }
    let done = world.api.counters("slow", "sink").await?;
    world.stop().await?;
    Ok(json!({
        "seconds": SLOW.as_secs(), "done": done["succeeded"], "before": before.report(),
        "most_in_the_first_half": first.report(), "most_in_the_second_half": second.report(),
    }))
}

/// Runs orders through a flow at an even rate for so many minutes, and notes the memory of each.
pub(crate) async fn soak(minutes: usize) -> Result<Value> {
    let world = World::start("soak", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    workload::deploy(&world).await?;
    let (source, sink) = (world.broker.connect().await?, world.broker.connect().await?);
    let count = minutes * 60 * usize::try_from(RATE)?;
    let publishing = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / RATE);
        for number in 0..count {
            beat.tick().await;
            publish(&source, &[number]).await?;
        }
        anyhow::Ok(())
    });
    let draining = tokio::spawn(async move {
        let mut seen = 0;
        sink.drain(SINK, |_, _| {
            seen += 1;
            seen == count
        })
        .await
    });
    let mut samples = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_secs(60));
    beat.tick().await;
    for minute in 1..=minutes {
        beat.tick().await;
        let mut sample = Memory::of(&world, "rabbitmq").await?.report();
        sample["minute"] = json!(minute);
        writeln!(std::io::stderr(), "{sample}")?;
        samples.push(sample);
    }
    publishing.await??;
    tokio::time::timeout(Duration::from_secs(60), draining).await.context("messages are missing")???;
    let left = amqp.depth(SOURCE).await?;
    world.stop().await?;
    Ok(json!({ "messages": count, "left": left, "per_second": RATE, "samples": samples }))
}

async fn publish(amqp: &Amqp, numbers: &[usize]) -> Result<()> {
    let message = |number: &usize| (format!("m-{number}"), order(*number).to_string().into_bytes());
    amqp.publish_all("", SOURCE, &numbers.iter().map(message).collect::<Vec<_>>()).await
}

async fn reached(amqp: &Amqp, count: u32) -> Result<()> {
    sluice_tests::eventually("the first message", Duration::from_secs(60), || async {
        Ok((amqp.depth(SINK).await? >= count).then_some(()))
    })
    .await
}
