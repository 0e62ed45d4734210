//! A backlog of orders goes through a flow on real containers while parts of the stack are killed, as fast as it can.
//!
//! For many messages: the broker is the one that `tests/run --help` tells of, and the ledger is what the source queue took
//! and what lay in the sink queue at the end. Ends with an error when a message is lost, or when a duplicate has another id
//! than its original.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use sluice_tests::workload::{self, SINK, SOURCE};
use sluice_tests::{Amqp, World, docker, eventually};

/// How much is sent, and what is killed how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Messages of about 1 KiB.
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// How often the busy component's container is killed (SIGKILL).
    #[arg(long, default_value_t = 10)]
    component_kills: usize,
    /// How often the orchestrator is killed (SIGKILL) and started again at once.
    #[arg(long, default_value_t = 5)]
    orchestrator_kills: usize,
    /// How often the broker is restarted.
    #[arg(long, default_value_t = 0)]
    broker_restarts: usize,
    /// The command that restarts the broker and returns when it takes connections again. It gets `stop` or `kill`, in
    /// turn.
    #[arg(long, requires = "broker_restarts")]
    broker_restart: Option<String>,
    /// How long no message may arrive before the run is given up, in seconds.
    #[arg(long, default_value_t = 180)]
    patience: u64,
}

/// A part that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Component,
    Orchestrator,
    Broker,
}

/// What one fault did.
struct Report {
    fault: Fault,
    at: u32,
    /// From the kill to the next message at the sink, in seconds.
    recovery: f64,
}

/// Runs it.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(
        options.broker_restarts == 0 || options.broker_restart.is_some(),
        "--broker-restarts needs --broker-restart COMMAND"
    );
    let faults = schedule(options);
    let mut world = World::start("faults", &["rabbitmq"]).await?;
    let amqp = workload::queues(&world).await?;
    amqp.publish_all("", SOURCE, &workload::orders(options.messages)).await?;
    drop(amqp);
    let started = Instant::now();
    workload::deploy(&world).await?;

    let patience = Duration::from_secs(options.patience);
    let mut reports = Vec::with_capacity(faults.len());
    for (number, fault) in faults.iter().enumerate() {
        let at = u32::try_from(options.messages * (number + 1) / (faults.len() + 2))?;
        arrived(&world, at, patience).await?;
        let how = if faults[..number].iter().filter(|before| *before == fault).count() % 2 == 0 {
            "stop"
        } else {
            "kill"
        };
        let report = strike(&mut world, (*fault, how), options, patience).await?;
        writeln!(std::io::stderr(), "{:?} at {}: {:.2} s", report.fault, report.at, report.recovery)?;
        reports.push(report);
    }
    let report = settle(&world, options, started, patience).await;
    if report.is_err() {
        writeln!(std::io::stderr(), "{}", world.api.get("/api/v1/flows/bench").await?)?;
    }
    let (elapsed, ledger) = report?;
    let lost = (0..options.messages).filter(|number| !ledger.contains_key(number)).count();
    let delivered: usize = ledger.values().map(HashMap::len).sum();
    let arrivals: usize = ledger.values().flat_map(HashMap::values).sum();
    let letters = world.api.get("/api/v1/dead-letters").await?;
    let mut dead: BTreeMap<String, usize> = BTreeMap::new();
    for letter in letters["items"].as_array().context("no list")? {
        *dead.entry(format!("{} {}", letter["reason"], letter["error"]["message"])).or_default() += 1;
    }
    let mut recovery: BTreeMap<Fault, Vec<f64>> = BTreeMap::new();
    for report in &reports {
        recovery.entry(report.fault).or_default().push((report.recovery * 100.0).round() / 100.0);
    }
    let recovery: BTreeMap<String, Value> = recovery
        .into_iter()
        .map(|(fault, mut seconds)| {
            seconds.sort_by(f64::total_cmp);
            (
                format!("{fault:?}").to_lowercase(),
                json!({ "times": seconds.len(), "recovery_seconds": seconds }),
            )
        })
        .collect();
    let report = json!({
        "messages": options.messages,
        "arrivals": arrivals,
        "lost": lost,
        "duplicates": arrivals - ledger.len(),
        "duplicates_with_another_id": delivered - ledger.len(),
        "dead_letters": dead,
        "seconds": (elapsed.as_secs_f64() * 10.0).round() / 10.0,
        "faults": recovery,
    });
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    ensure!(lost == 0, "{lost} messages are lost");
    ensure!(delivered == ledger.len(), "a duplicate has another id than its original");
    world.stop().await
}

/// The faults in their order: spread evenly, so that the rare ones do not all come last.
fn schedule(options: &Options) -> Vec<Fault> {
    let counts = [
        (Fault::Component, options.component_kills),
        (Fault::Orchestrator, options.orchestrator_kills),
        (Fault::Broker, options.broker_restarts),
    ];
    let mut faults: Vec<(usize, Fault)> = counts
        .into_iter()
        .flat_map(|(fault, count)| (0..count).map(move |nth| ((2 * nth + 1) * 10_000 / (2 * count), fault)))
        .collect();
    faults.sort_unstable();
    faults.into_iter().map(|(_, fault)| fault).collect()
}

async fn strike(
    world: &mut World,
    (fault, how): (Fault, &str),
    options: &Options,
    patience: Duration,
) -> Result<Report> {
    let before = depth(world).await?;
    let started = Instant::now();
    let mut after = before;
    match fault {
        Fault::Component => {
            docker(&["kill", &world.container("rabbitmq").await?]).await?;
            // What was on its way still arrives.
            after = depth(world).await?;
        }
        Fault::Orchestrator => world.kill_and_restart().await?,
        Fault::Broker => {
            let command = options.broker_restart.as_deref().unwrap_or_default();
            let status = tokio::process::Command::new(command).arg(how).status().await?;
            ensure!(status.success(), "the command that restarts the broker ended with {status}");
        }
    }
    arrived(world, after + 1, patience).await?;
    Ok(Report { fault, at: before, recovery: started.elapsed().as_secs_f64() })
}

async fn depth(world: &World) -> Result<u32> {
    world.broker.connect().await?.depth(SINK).await
}

/// Waits until so many messages lie at the sink. Connects anew as often as the broker goes away.
async fn arrived(world: &World, count: u32, patience: Duration) -> Result<()> {
    let link = tokio::sync::Mutex::new(None::<Amqp>);
    eventually(&format!("{count} messages at the sink"), patience, || async {
        let mut link = link.lock().await;
        if link.is_none() {
            *link = Some(world.broker.connect().await?);
        }
        match link.as_ref().context("not connected")?.depth(SINK).await {
            Ok(found) => Ok((found >= count).then_some(())),
            Err(error) => {
                *link = None;
                Err(error)
            }
        }
    })
    .await
}

/// How often each order arrived under each message id.
type Ledger = HashMap<usize, HashMap<String, usize>>;

/// Takes what is at the sink until every order arrived and nothing is left on its way.
async fn settle(
    world: &World,
    options: &Options,
    started: Instant,
    patience: Duration,
) -> Result<(Duration, Ledger)> {
    let mut ledger = Ledger::new();
    let mut missing: HashSet<usize> = (0..options.messages).collect();
    while !missing.is_empty() {
        let waited = arrived(world, u32::try_from(missing.len())?, patience).await;
        // The ids of what is missing say more than their number.
        waited.with_context(|| format!("{} are missing: {:?}", missing.len(), missing.iter().take(5)))?;
        take(world, &mut ledger, &mut missing).await?;
    }
    let elapsed = started.elapsed();
    eventually("the lanes to be empty", patience, || async {
        let queues = world.broker.call("GET", &["queues", world.broker.vhost()], None).await?;
        let busy = |queue: &&Value| queue["name"] != SINK && queue["messages"].as_u64() != Some(0);
        Ok(queues.as_array().context("no list")?.iter().find(busy).is_none().then_some(()))
    })
    .await?;
    take(world, &mut ledger, &mut missing).await?;
    Ok((elapsed, ledger))
}

/// Takes what lies at the sink now.
async fn take(world: &World, ledger: &mut Ledger, missing: &mut HashSet<usize>) -> Result<()> {
    let amqp = world.broker.connect().await?;
    let mut left = amqp.depth(SINK).await?;
    if left == 0 {
        return amqp.close().await;
    }
    let mut odd = None;
    amqp.drain(SINK, |id, body| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match body["id"].as_u64().and_then(|number| usize::try_from(number).ok()) {
            Some(number) => {
                missing.remove(&number);
                *ledger.entry(number).or_default().entry(id).or_default() += 1;
            }
            None => odd = Some(body),
        }
        left -= 1;
        left == 0
    })
    .await?;
    ensure!(odd.is_none(), "this is no order: {}", odd.unwrap_or_default());
    amqp.close().await
}
