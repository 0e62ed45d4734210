//! One run: from a plan to a verdict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluice_domain::{DeploymentId, Intent};
use sluice_ports::runtime::{ContainerState, Runtime};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::plan::{Plan, Trouble};
use crate::troubles::{Lots, make};
use crate::verdict::judge;
use crate::world::World;

/// How long everything may take to drain once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(1800);
/// After this an old version of a flow of this size has retired.
const RETIRED: Duration = Duration::from_secs(1200);

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Identifies everything that happened, and when.
    pub(crate) trace: u64,
    pub(crate) events: u64,
    pub(crate) runs: usize,
    /// What is wrong.
    pub(crate) faults: Vec<String>,
    /// Everything that happened, a line each, if it was to be written down.
    pub(crate) log: Vec<String>,
}

/// Runs a plan.
pub(crate) fn simulate(plan: &Plan, verbose: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads");
    // Inside, because only there is the time of now the simulated one.
    runtime.block_on(async { run(World::new(plan.clone(), verbose)).await })
}

async fn run(world: Arc<World>) -> Report {
    world.start_engine().await;
    world.observer.say("an orchestrator is there");
    world.deploy().await;
    world.observer.say("the flow is there");
    let lots = Lots { noise: world.plan.noise, dice: Mutex::new(Dice::new(world.plan.seed, "weather")) };
    world.broker.set_weather(Some(Arc::new(lots)));
    trouble(&world).await;
    world.broker.set_weather(None);
    world.store.fail_writes(0);
    world.store.lose_answers(0);
    world.want(Intent::Run).await;
    let mut faults = drain(&world).await;
    if faults.is_empty() {
        faults = converge(&world).await;
    }
    if faults.is_empty() {
        faults = judge(&world);
    }
    let trace = world.observer.trace();
    let mut seen = world.observer.seen();
    let log = std::mem::take(&mut seen.log);
    Report { trace, events: seen.events, runs: seen.runs.len(), faults, log }
}

/// Makes all trouble at its time and waits until all of it is over.
async fn trouble(world: &Arc<World>) {
    let begun = Instant::now();
    let mut under_way = Vec::new();
    for (at, trouble) in &world.plan.faults {
        tokio::time::sleep_until(begun + *at).await;
        under_way.push(tokio::spawn(make(world.clone(), *trouble)));
    }
    for one in under_way {
        one.await.expect("nobody aborts it, and it does not panic");
    }
    let last = world.plan.messages.iter().map(|(_, at)| *at).max().unwrap_or_default();
    tokio::time::sleep_until(begun + last).await;
}

/// Waits until nothing is under way.
async fn drain(world: &World) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    while !world.is_idle() {
        if Instant::now() > until {
            let waiting = world.left();
            return vec![format!("{} of the source and {waiting:?} did not drain", world.source.left())];
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Vec::new()
}

/// Waits until the containers are those that the flow needs; then nothing must change any more.
async fn converge(world: &World) -> Vec<String> {
    if world.plan.faults.iter().any(|(_, trouble)| *trouble == Trouble::Update) {
        tokio::time::sleep(RETIRED).await;
    }
    let wanted: BTreeMap<DeploymentId, usize> = world.wanted().await.into_iter().map(|id| (id, 1)).collect();
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let mut running = running(world).await;
        running.extend(world.asleep().await.into_iter().map(|id| (id, 1)));
        if running == wanted {
            break;
        }
        if Instant::now() > until {
            return vec![format!("{running:?} run, and {wanted:?} are needed")];
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Long enough for what is idle to fall asleep.
    tokio::time::sleep(Duration::from_secs(120)).await;
    drop(world.containers.engine.take_calls());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let calls = world.containers.engine.take_calls();
    if calls.is_empty() {
        Vec::new()
    } else {
        vec![format!("the reconciler does not come to rest: {calls:?}")]
    }
}

async fn running(world: &World) -> BTreeMap<DeploymentId, usize> {
    let mut counts = BTreeMap::new();
    for container in world.containers.engine.list().await.unwrap_or_default() {
        if container.state == ContainerState::Running {
            *counts.entry(container.deployment).or_default() += 1;
        }
    }
    counts
}
