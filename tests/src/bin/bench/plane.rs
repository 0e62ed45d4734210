//! The data plane by itself: from a component to a component through a mapping, beside a raw relay of as many queues.
//!
//! Source and sink are components, so that what is measured is Sluice and not the publishing of single messages by a
//! program outside. The rate is that of the middle of the run: between a tenth and nine tenths of the messages.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::workload::order;
use sluice_tests::{Broker, Orchestrator, World, unique};

/// A mapping that only picks: ten fields, one of them a list.
const PICKS: &str = "
      id: $.body.n
      first: $.body.customer.first
      last: $.body.customer.last
      sent: $.body.sent
      sku: $.body.lines[0].sku
      quantity: $.body.lines[0].quantity
      price: $.body.lines[0].price
      note: $.body.lines[0].note
      second: $.body.lines[1].sku
      lines: $.body.lines";

/// A mapping that computes: ten fields, one of them a list.
const COMPUTES: &str = "
      id: $.body.n
      first: $.body.customer.first
      name: = body.customer.first & ' ' & body.customer.last
      total: = $sum(body.lines.(quantity * price))
      count: = $count(body.lines)
      dearest: = $max(body.lines.price)
      rush: \"= body.sent > 0 ? 'yes' : 'no'\"
      sku: $.body.lines[0].sku
      sent: $.body.sent
      lines: \"= body.lines.{ 'sku': sku, 'amount': quantity * price }\"";

/// Measures the raw relay, and then flows with each mapping.
pub(crate) async fn run(count: usize) -> Result<Value> {
    let raw = raw(count).await?;
    let mut report = json!({ "messages": count, "raw_relay_per_second": raw.round() });
    for (name, mapping) in [("no_mapping", ""), ("picks", PICKS), ("computes", COMPUTES)] {
        let mut flow = flow(count, mapping).await?;
        let rate = flow["per_second"].as_f64().context("no rate")?;
        flow["ratio"] = json!(rate / raw);
        report[name] = flow;
    }
    Ok(report)
}

/// Messages a second through two queues, one message per publish.
async fn raw(count: usize) -> Result<f64> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let broker = Broker::create(&unique("bench-plane")).await?;
    let setup = broker.connect().await?;
    for queue in ["first", "second"] {
        setup.queue(queue, None).await?;
    }
    let relay = tokio::spawn(super::relay(broker.clone(), "first", "second"));
    let (source, sink) = (broker.connect().await?, broker.connect().await?);
    let body = order(0).to_string().into_bytes();
    let messages: Vec<_> = (0..count).map(|number| (number.to_string(), body.clone())).collect();
    let publishing = tokio::spawn(async move { source.publish_all("", "first", &messages).await });
    let (mut seen, mut from, mut to) = (0, None, None);
    let collecting = sink.drain("second", |_, _| {
        seen += 1;
        if seen == count / 10 {
            from = Some(Instant::now());
        } else if seen == count - count / 10 {
            to = Some(Instant::now());
        }
        seen == count
    });
    tokio::time::timeout(Duration::from_secs(300), collecting).await.context("messages are missing")??;
    publishing.await??;
    relay.abort();
    broker.remove().await?;
    let took = to.zip(from).map(|(to, from)| to - from).context("too few messages")?;
    Ok(float(count - count / 10 - count / 10) / took.as_secs_f64())
}

/// What is known of a run at some time.
#[derive(Clone)]
struct Sample {
    at: Instant,
    done: usize,
    /// Seconds of CPU: orchestrator, component, broker.
    cpu: [f64; 3],
}

async fn flow(count: usize, mapping: &str) -> Result<Value> {
    let world = World::start("plane", &["faulty"]).await?;
    let mut body = order(0);
    body.as_object_mut().context("an order is an object")?.remove("id");
    let input = if mapping.is_empty() { String::new() } else { format!("\n    input: {mapping}") };
    let template = format!(
        "sluice: 1\nkind: template\nname: plane\nversion: 1.0.0\nsteps:\n  - id: source\n    use: faulty/stream\n    \
         config: {{ count: {count}, body: {body} }}\n  - id: sink\n    use: faulty/act\n    config: {{ do: flood, count: 0 }}\n    \
         concurrency: 256{input}\n"
    );
    world.api.apply(&template, json!({})).await?;
    let (mut samples, begun): (Vec<Sample>, _) = (Vec::new(), Instant::now());
    world.running("plane").await?;
    let pids = pids(&world).await?;
    loop {
        let counters = world.api.counters("plane", "sink").await?;
        let done = usize::try_from(counters["succeeded"].as_u64().context("no counter")?)?;
        if samples.last().is_none_or(|last| last.done < done) {
            samples.push(Sample { at: Instant::now(), done, cpu: cpu(&pids)? });
        }
        if done >= count {
            break;
        }
        ensure!(counters["failed"] == 0, "a message failed: {counters}");
        ensure!(begun.elapsed() < Duration::from_secs(300), "messages are missing: {counters}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let tenth = count / 10;
    let from = samples.iter().find(|one| one.done >= tenth).context("too few messages")?;
    let to = samples.iter().rev().find(|one| one.done <= count - tenth).context("too few messages")?;
    ensure!(to.done > from.done, "the run was too short to be measured; ask for more messages");
    let (messages, seconds) = (float(to.done - from.done), (to.at - from.at).as_secs_f64());
    let each = |part: usize| (to.cpu[part] - from.cpu[part]) / messages * 1e6;
    let report = json!({
        "per_second": (messages / seconds).round(),
        "cpu_micros_per_message": { "orchestrator": each(0), "components": each(1), "broker": each(2) },
        "orchestrator_kib": Orchestrator::memory_kib(pids.0[0])?,
        "component_kib": Orchestrator::memory_kib(pids.1[0])?,
    });
    world.stop().await?;
    Ok(report)
}

/// The processes of the orchestrator, the component and the broker.
struct Pids([u32; 1], [u32; 1], Vec<u32>);

async fn pids(world: &World) -> Result<Pids> {
    let orchestrator = world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
    let mut broker = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "beam.smp" {
            broker.push(pid);
        }
    }
    Ok(Pids([orchestrator], [world.process("faulty").await?], broker))
}

/// Seconds of CPU that each party has used.
fn cpu(pids: &Pids) -> Result<[f64; 3]> {
    let sum = |pids: &[u32]| pids.iter().map(|pid| Orchestrator::cpu_seconds(*pid)).sum::<Result<f64>>();
    Ok([sum(&pids.0)?, sum(&pids.1)?, sum(&pids.2)?])
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn float(count: usize) -> f64 {
    count as f64
}
