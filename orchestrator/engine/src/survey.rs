//! The survey: what waits where, looked at every few seconds, for the metrics, for `sluice top` and for alarms.
//!
//! With the broker's management API one request tells of all queues, however many flows there are. Without it only the
//! queues that every installation has are looked at, and of the lanes what the backlog watch asks for anyway. Nothing
//! here changes anything, and nothing waits for it.

mod alarms;
pub(crate) mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_domain::topology::{self, LANE_PREFIX};
use sluice_domain::{FlowId, Tier};
use sluice_ports::PortError;
use sluice_ports::broker::{BrokerState, QueueState};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::core::Core;
use alarms::Alarms;
pub(crate) use alarms::Stuck;
pub(crate) use usage::{Used, Uses};

/// How often it looks. The broker's own numbers change every five seconds.
const EVERY: Duration = Duration::from_secs(5);
/// What the survey last saw.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    seen: Mutex<Arc<Seen>>,
    waiting: Mutex<BTreeMap<FlowId, u64>>,
    /// What containers use.
    pub(crate) uses: Uses,
}

/// What was seen at one moment.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When; absent before the first look.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The broker, where it tells of itself.
    pub(crate) broker: Option<BrokerState>,
    /// The lanes by the name of their queue, where the broker tells of them.
    pub(crate) lanes: Option<BTreeMap<String, QueueState>>,
    /// Batches of outcomes that wait for the router.
    pub(crate) router: u64,
    /// Messages that wait for their next attempt.
    pub(crate) retries: u64,
    /// Batches that the broker could not deliver and that nobody has looked at yet.
    pub(crate) undelivered: u64,
    /// The steps that are stuck.
    pub(crate) stuck: Vec<Stuck>,
}

impl Survey {
    /// What was last seen.
    pub(crate) fn seen(&self) -> Arc<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how many batches wait in the lanes of the flows that the backlog watch looked at.
    pub(crate) fn note_waiting(&self, waiting: BTreeMap<FlowId, u64>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    /// How many batches waited in the lanes of a flow when the backlog watch last looked, if it did.
    pub(crate) fn waiting(&self, flow: FlowId) -> Option<u64> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&flow).copied()
    }

    fn note(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen);
    }
}

/// Looks until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut alarms = Alarms::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        match look(&core).await {
            Ok(seen) => core.survey.note(alarms.sound(&core, seen).await),
            // The adapter that mends the connection says so too.
            Err(error) => debug!(error = crate::chain(&error), "cannot look at the queues"),
        }
    }
}

async fn look(core: &Core) -> Result<Seen, PortError> {
    let mut seen = Seen { at: Some(core.ports.clock.now()), ..Seen::default() };
    match &core.ports.watch {
        Some(watch) => {
            let mut lanes = BTreeMap::new();
            for queue in watch.queues().await? {
                add(&mut seen, &queue.name, queue.ready + queue.unacknowledged);
                if queue.name.starts_with(LANE_PREFIX) {
                    lanes.insert(queue.name.clone(), queue);
                }
            }
            seen.lanes = Some(lanes);
            seen.broker = Some(watch.state().await?);
        }
        None => {
            let own = (0..topology::SHARDS).map(topology::router_queue);
            let own = own.chain(Tier::ALL.map(topology::retry_queue));
            let shared = [topology::DUE, topology::DEAD, topology::UNROUTABLE].map(str::to_owned);
            for queue in own.chain(shared) {
                if let Some(depth) = core.ports.broker.depth(&queue).await? {
                    add(&mut seen, &queue, u64::from(depth.ready));
                }
            }
        }
    }
    Ok(seen)
}

/// Adds what is in a queue that every installation has.
fn add(seen: &mut Seen, queue: &str, batches: u64) {
    match queue {
        topology::DUE => seen.retries += batches,
        topology::DEAD | topology::UNROUTABLE => seen.undelivered += batches,
        name if name.starts_with("v1.router.") => seen.router += batches,
        name if name.starts_with("v1.retry.") => seen.retries += batches,
        _ => {}
    }
}

/// What waits in the lanes of a flow.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Batches that wait.
    pub(crate) waiting: Option<u64>,
    /// Batches that containers hold.
    pub(crate) unacknowledged: Option<u64>,
    /// When the oldest that waits was sent.
    pub(crate) oldest: Option<DateTime<Utc>>,
}

/// What waits in the lanes of each flow, of all its versions.
pub(crate) fn backlogs(core: &Core, seen: &Seen) -> BTreeMap<FlowId, Backlog> {
    let snapshot = core.snapshot();
    let mut lanes: BTreeMap<FlowId, BTreeSet<&str>> = BTreeMap::new();
    for ((flow, _), live) in &snapshot.versions {
        let names = live.compiled.steps.values().map(|step| step.lane.as_str());
        lanes.entry(*flow).or_default().extend(names);
    }
    let told = |names: &BTreeSet<&str>, known: &BTreeMap<String, QueueState>| {
        let queues = names.iter().filter_map(|name| known.get(*name));
        let mut sum = Backlog { waiting: Some(0), unacknowledged: Some(0), oldest: None };
        for queue in queues {
            sum.waiting = sum.waiting.map(|waiting| waiting + queue.ready);
            sum.unacknowledged = sum.unacknowledged.map(|held| held + queue.unacknowledged);
            sum.oldest = sum.oldest.into_iter().chain(queue.oldest).min();
        }
        sum
    };
    let of = |flow: &FlowId, names: &BTreeSet<&str>| match &seen.lanes {
        Some(known) => told(names, known),
        None => Backlog { waiting: core.survey.waiting(*flow), ..Backlog::default() },
    };
    lanes.iter().map(|(flow, names)| (*flow, of(flow, names))).collect()
}
