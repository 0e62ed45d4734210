//! The data plane by itself: from a component to a component through a mapping, beside a raw relay of as many queues.
//!
//! Source and sink are components, so that what is measured is Sluice and not the publishing of single messages by a
//! program outside. The rate is that of the middle of the run: between a tenth and nine tenths of the messages.

use std::time::{Duration, Instant};

use super::float;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::workload::order;
use sluice_tests::{Broker, Orchestrator, World, eventually, unique};

/// How long the first container may take to start.
const START: Duration = Duration::from_secs(60);

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

/// What flows in a run.
pub(crate) struct Load<'a> {
    /// Messages, over all flows.
    pub(crate) count: usize,
    pub(crate) flows: usize,
    /// Messages a second, over all flows; as many as go through when zero.
    pub(crate) rate: usize,
    /// Steps behind the source; each but the last passes on what it gets.
    pub(crate) steps: usize,
    /// What each message holds besides its number.
    pub(crate) body: Value,
    /// The mapping of the first step behind the source, as YAML; none when empty.
    pub(crate) mapping: &'a str,
}

impl Load<'_> {
    /// Orders of about 1 KiB through one flow of a source and a sink.
    pub(crate) fn orders(count: usize) -> Self {
        let mut body = order(0);
        if let Some(body) = body.as_object_mut() {
            body.remove("id");
        }
        Self { count, flows: 1, rate: 0, steps: 1, body, mapping: "" }
    }

    fn template(&self) -> String {
        let count = self.count / self.flows;
        let rate = float(self.rate) / float(self.flows);
        let mut template = format!(
            "sluice: 1\nkind: template\nname: plane\nversion: 1.0.0\n\
             steps:\n  - id: source\n    use: faulty/stream\n    config: {{ count: {count}, rate: {rate}, body: {} }}\n",
            self.body
        );
        for step in 1..=self.steps {
            let (id, deed) = if step == self.steps {
                ("sink".to_owned(), "{ do: flood, count: 0 }")
            } else {
                (format!("s{step}"), "{}")
            };
            let input = if step == 1 && !self.mapping.is_empty() {
                format!("    input: {}\n", self.mapping)
            } else {
                String::new()
            };
            template += &format!(
                "  - id: {id}\n    use: faulty/act\n    config: {deed}\n    concurrency: 256\n{input}"
            );
        }
        template
    }
}

/// Measures the raw relay, and then flows with each mapping.
pub(crate) async fn run(count: usize) -> Result<Value> {
    let raw = raw(count).await?;
    let mut report = json!({ "messages": count, "raw_relay_per_second": raw.round() });
    for (name, mapping) in [("no_mapping", ""), ("picks", PICKS), ("computes", COMPUTES)] {
        let mut flow = flow(&Load { mapping, ..Load::orders(count) }).await?;
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

/// Runs a load from start to end, and measures the middle.
pub(crate) async fn flow(load: &Load<'_>) -> Result<Value> {
    let world = World::start("plane", &["faulty"]).await?;
    let count = load.count / load.flows * load.flows;
    let names: Vec<String> = (0..load.flows).map(|number| format!("plane-{number}")).collect();
    let flow = |name: &String| format!("---\nsluice: 1\nkind: flow\nname: {name}\ntemplate: plane\n");
    let flows: String = names.iter().map(flow).collect();
    world.api.apply(&(load.template() + &flows), json!({})).await?;
    let (mut samples, begun): (Vec<Sample>, _) = (Vec::new(), Instant::now());
    // Not until a flow is said to run: where much waits, its source may be held back.
    let pids = eventually("the component", START, || async { pids(&world).await.map(Some) }).await?;
    loop {
        let overview = world.api.get("/api/v1/overview").await?;
        let mut done = 0;
        for flow in overview["flows"].as_array().context("no flows")? {
            // Every step behind the source runs once for each message.
            done += usize::try_from(flow["done"].as_u64().context("no counter")?)? / load.steps;
            ensure!(flow["failed"] == 0, "a message failed: {flow}");
        }
        if samples.last().is_none_or(|last| last.done < done) {
            samples.push(Sample { at: Instant::now(), done, cpu: cpu(&pids)? });
        }
        // The steps before the last may be ahead of it, but not at the end.
        if done >= count {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(300), "messages are missing: {done} of {count}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tenth = count / 10;
    let few = || {
        let seen: Vec<usize> = samples.iter().map(|one| one.done).collect();
        format!("too few messages to be measured, ask for more: of {count} were done {seen:?}")
    };
    let from = samples.iter().find(|one| one.done >= tenth).with_context(few)?;
    let to = samples.iter().rev().find(|one| one.done <= count - tenth).with_context(few)?;
    ensure!(to.done > from.done, few());
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
struct Pids([u32; 1], [u32; 1], [u32; 1]);

async fn pids(world: &World) -> Result<Pids> {
    let orchestrator = world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
    Ok(Pids([orchestrator], [world.process("faulty").await?], [world.broker.pid().await?]))
}

/// The processes of a program on this machine.
pub(crate) fn pids_of(program: &str) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == program {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// Seconds of CPU that processes have used.
pub(crate) fn cpu_seconds(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| Orchestrator::cpu_seconds(*pid)).sum()
}

/// Seconds of CPU that each party has used.
fn cpu(pids: &Pids) -> Result<[f64; 3]> {
    Ok([cpu_seconds(&pids.0)?, cpu_seconds(&pids.1)?, cpu_seconds(&pids.2)?])
}
