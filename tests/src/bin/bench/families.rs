//! A component of another platform under Sluice, beside the same component driven by the least platform there can be.
//!
//! That platform declares one exchange and three queues, answers the component's question for its config, and fills its
//! queue: nothing stands between the component and the broker. Both drive the probe on elastic.io's newest library with
//! the same environment, the same prefetch and bodies of about 1 KiB.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Confirmation};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use sluice_families::{Family, FamilyName, Input, Place, Step};
use sluice_tests::workload::{order, ticking};
use sluice_tests::{
    Amqp, Broker, HttpSink, Orchestrator, World, adopt_probe, build_probe, docker, eventually, unique,
};

use super::plane::cpu_seconds;
use super::{float, median};

const LIBRARY: &str = "sailor-2.7.8";
const IMAGE: &str = "sluice-bench-probe:1";
/// Most messages that the component has at a time.
const PREFETCH: u16 = 100;
/// How often a start is measured.
const STARTS: usize = 5;

/// Measures both.
pub(crate) async fn run(count: usize) -> Result<Value> {
    rustls::crypto::ring::default_provider().install_default().ok();
    build_probe(LIBRARY, IMAGE).await?;
    adopt_probe(LIBRARY, "probe-sailor").await?;
    let direct = direct(count).await?;
    let sluice = sluice(count).await?;
    let ratio = |name: &str| Some(sluice[name].as_f64()? / direct[name].as_f64()?);
    Ok(json!({
        "messages": count,
        "ratio": {
            "per_second": ratio("per_second"),
            "kib": ratio("kib"),
            "cpu_micros_per_message": ratio("cpu_micros_per_message"),
            "start_seconds": ratio("start_seconds"),
        },
        "direct": direct,
        "sluice": sluice,
    }))
}

/// What every message holds.
fn body() -> Value {
    let mut body = order(0);
    body["do"] = "echo".into();
    body
}

/// The time and the CPU of a container when a tenth, and nine tenths, of the messages had come.
struct Middle {
    count: usize,
    pids: Vec<u32>,
    from: Option<(Instant, f64)>,
    to: Option<(Instant, f64)>,
}

impl Middle {
    async fn of(container: &str, count: usize) -> Result<Self> {
        let listed = docker(&["top", container, "-o", "pid"]).await?;
        let pids = listed.lines().skip(1).map(|pid| pid.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self { count, pids, from: None, to: None })
    }

    fn saw(&mut self, done: usize) -> Result<()> {
        let now = || anyhow::Ok((Instant::now(), cpu_seconds(&self.pids)?));
        if self.from.is_none() && done >= self.count / 10 {
            self.from = Some(now()?);
        } else if self.to.is_none() && done >= self.count - self.count / 10 {
            self.to = Some(now()?);
        }
        Ok(())
    }

    fn report(&self) -> Result<Value> {
        let ((from, used), (to, used_then)) = self.from.zip(self.to).context("too few messages")?;
        let messages = float(self.count - self.count / 10 - self.count / 10);
        let kib = self.pids.iter().map(|pid| Orchestrator::memory_kib(*pid)).sum::<Result<u64>>()?;
        Ok(json!({
            "per_second": (messages / (to - from).as_secs_f64()).round(),
            "cpu_micros_per_message": ((used_then - used) / messages * 1e6).round(),
            "kib": kib,
        }))
    }
}

/// The component and the broker, and nothing between them.
async fn direct(count: usize) -> Result<Value> {
    let broker = Broker::create(&unique("bench-direct")).await?;
    let amqp = broker.connect().await?;
    amqp.exchange("outputs").await?;
    amqp.queue("inputs", None).await?;
    amqp.queue("collected", Some(("outputs", "data"))).await?;
    amqp.queue("refused", Some(("outputs", "error"))).await?;
    let family = FamilyName::Sailor.family(None);
    let step = Step {
        flow: "flow".to_owned(),
        step: "step".to_owned(),
        container: "container".to_owned(),
        component: "probe".to_owned(),
        function: "act".to_owned(),
        prefetch: PREFETCH,
        passthrough: false,
        startup: false,
    };
    let platform = HttpSink::start().await?;
    let place = Place {
        broker: broker.amqp_url(),
        api: platform.url("127.0.0.1"),
        access: ("component".to_owned(), "key".to_owned()),
        cipher: ("password".to_owned(), "0123456789abcdef".to_owned()),
    };
    let known = json!({ "config": {}, "snapshot": {}, "is_passthrough": false, "variables": {} });
    platform.answer(move |_| (200, known.clone()));
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        fill(&amqp, &*family, (&place, &step), 1).await?;
        let since = Instant::now();
        let container = start(&family.environment(&place, &step)).await?;
        let outside = broker.connect().await?;
        outside.drain("collected", |_, _| true).await?;
        outside.close().await?;
        starts.push(since.elapsed().as_secs_f64());
        docker(&["rm", "-f", &container]).await?;
    }
    fill(&amqp, &*family, (&place, &step), count).await?;
    let container = start(&family.environment(&place, &step)).await?;
    let mut middle = Middle::of(&container, count).await?;
    let (mut seen, mut failed) = (0, Ok(()));
    let collector = broker.connect().await?;
    let collecting = collector.drain("collected", |_, _| {
        seen += 1;
        failed = middle.saw(seen);
        seen == count || failed.is_err()
    });
    tokio::time::timeout(Duration::from_secs(600), collecting).await.context("messages are missing")??;
    failed?;
    let mut report = middle.report()?;
    ensure!(amqp.depth("refused").await? == 0, "messages were refused");
    docker(&["rm", "-f", &container]).await?;
    broker.remove().await?;
    report["start_seconds"] = json!(median(&mut starts));
    Ok(report)
}

/// Puts messages into the component's queue.
async fn fill(amqp: &Amqp, family: &dyn Family, (place, step): (&Place, &Step), count: usize) -> Result<()> {
    let body = to_raw_value(&body())?;
    let (headers, config) = (Map::new(), json!({}));
    let mut confirms = Vec::with_capacity(count);
    for number in 0..count {
        let delivery = format!("delivery-{number}");
        let input = Input {
            delivery: &delivery,
            thread: &delivery,
            attempt: 1,
            body: Some(&body),
            headers: &headers,
            config: &config,
        };
        let message = family.encode(place, step, &input)?;
        let mut table = FieldTable::default();
        for (name, value) in &message.headers {
            table.insert(name.as_str().into(), amqp_value(value));
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type(message.content_type.into())
            .with_headers(table);
        let options = BasicPublishOptions::default();
        confirms.push(
            amqp.channel
                .basic_publish("".into(), family.queue().into(), options, &message.body, properties)
                .await?,
        );
    }
    for confirm in confirms {
        ensure!(matches!(confirm.await?, Confirmation::Ack(None)), "a message was not stored");
    }
    Ok(())
}

fn amqp_value(value: &Value) -> AMQPValue {
    match value {
        Value::Number(number) => AMQPValue::LongLongInt(number.as_i64().unwrap_or_default()),
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        other => AMQPValue::LongString(LongString::from(other.to_string())),
    }
}

/// Starts the component; the id of its container.
async fn start(environment: &BTreeMap<String, String>) -> Result<String> {
    let variables: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["run", "-d", "--network", "host", "--entrypoint", "node"];
    for variable in &variables {
        arguments.extend(["-e", variable]);
    }
    arguments.extend([IMAGE, "./node_modules/elasticio-sailor-nodejs/run.js"]);
    docker(&arguments).await
}

/// The component as a step between two native ones.
async fn sluice(count: usize) -> Result<Value> {
    let settings = [("SLUICE__ENGINE__IDLE_TIMEOUT", "3s")];
    let components = ["timer", "log", "faulty", "probe-sailor"];
    let world = World::start_with("bench-families", &components, &settings).await?;
    let mut starts = starts(&world).await?;
    let mut message = body();
    if let Some(message) = message.as_object_mut() {
        // The source numbers its messages.
        message.remove("id");
    }
    let template = format!(
        "sluice: 1\nkind: template\nname: families\nversion: 1.0.0\nsteps:\n  \
         - {{ id: source, use: faulty/stream, config: {{ count: {count}, body: {message} }} }}\n  \
         - {{ id: act, use: probe-sailor/act, concurrency: {PREFETCH}, limits: {{ memory: 512MiB }} }}\n  \
         - {{ id: sink, use: faulty/act, concurrency: 256, config: {{ do: flood, count: 0 }} }}\n"
    );
    world.api.apply(&template, json!({})).await?;
    let done = async || -> Result<usize> {
        let counters = world.api.counters("families", "act").await?;
        ensure!(counters["failed"].as_u64().unwrap_or_default() == 0, "a message failed: {counters}");
        Ok(usize::try_from(counters["succeeded"].as_u64().unwrap_or_default())?)
    };
    eventually("the first message", Duration::from_secs(60), || async {
        Ok((done().await? > 0).then_some(()))
    })
    .await?;
    let container = world.container("probe-sailor").await?;
    let mut middle = Middle::of(&container, count).await?;
    let begun = Instant::now();
    loop {
        let seen = done().await?;
        middle.saw(seen)?;
        if seen >= count {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(600), "messages are missing: {seen} of {count}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut report = middle.report()?;
    world.stop().await?;
    report["start_seconds"] = json!(median(&mut starts));
    Ok(report)
}

/// From a message to a step whose container is stopped to its output. The container of its trigger is awake.
async fn starts(world: &World) -> Result<Vec<f64>> {
    let woken = "sluice: 1\nkind: template\nname: woken\nversion: 1.0.0\nsteps:\n  \
         - { id: tick, use: timer/tick, schedule: { every: 1h } }\n  \
         - { id: act, use: probe-sailor/act, input: { do: echo } }\n";
    world.api.apply(&ticking("awake", "1s"), json!({})).await?;
    world.api.apply(woken, json!({})).await?;
    let mut starts = Vec::new();
    for number in 0..=STARTS {
        let done = u64::try_from(number + 1)?;
        reached(world, done).await?;
        eventually("the container to stop", Duration::from_secs(120), || async {
            let names = world.containers().await?;
            Ok((names.len() == 2).then_some(()))
        })
        .await?;
        if number == STARTS {
            break;
        }
        let since = Instant::now();
        world.api.call("POST", "/api/v1/flows/woken/trigger", None).await?;
        reached(world, done + 1).await?;
        starts.push(since.elapsed().as_secs_f64());
    }
    world.api.call("DELETE", "/api/v1/flows/woken?discard=true", None).await?;
    world.api.call("DELETE", "/api/v1/flows/awake?discard=true", None).await?;
    Ok(starts)
}

async fn reached(world: &World, runs: u64) -> Result<()> {
    eventually("an output", Duration::from_secs(60), || async {
        let counters = world.api.counters("woken", "act").await?;
        Ok((counters["succeeded"].as_u64() >= Some(runs)).then_some(()))
    })
    .await
}
