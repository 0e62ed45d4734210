//! The reconciler: brings containers and broker objects to what the flows need.
//!
//! Level-triggered: an activation reads the whole desired and the whole observed state, makes a [`plan`](plan::Plan),
//! logs it and applies it, removals first. Nothing is remembered that could not be seen again, except how often a
//! deployment failed lately. The process may be killed at any line.

mod apply;
mod desired;
mod lanes;
pub(crate) mod plan;
mod retire;
mod sleep;
mod users;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sluice_domain::topology;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::attachments;
use crate::core::Core;

/// The longest that a change in the world goes unnoticed.
const EVERY: Duration = Duration::from_secs(5);

/// Which broker objects this process declared. Forgotten when the broker turns out to have lost them.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub(crate) deployments: BTreeSet<sluice_domain::DeploymentId>,
    pub(crate) lanes: BTreeSet<topology::LaneName>,
}

impl Declared {
    /// Forgets a deployment whose objects were deleted.
    fn forget(&mut self, deployment: sluice_domain::DeploymentId) {
        self.deployments.remove(&deployment);
        self.lanes.remove(&topology::LaneName::common(deployment));
    }
}

/// Reconciles until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut declared = Declared::default();
    let mut changes = core.table.changes();
    let (hints, mut events) = mpsc::channel(1);
    tokio::spawn(watch_events(core.clone(), hints, stop.clone()));
    let mut users = tokio::time::interval(Duration::from_secs(60));
    loop {
        changes.mark_unchanged();
        if let Err(error) = reconcile(&core, &mut declared).await {
            warn!(error = crate::chain(&error), "cannot reconcile now; trying again");
        }
        let nap = next_start(&core).unwrap_or(EVERY).min(EVERY);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = changes.changed() => {}
            () = woken(&core) => {}
            () = core.table.placements().asked() => {}
            _ = events.recv() => {}
            _ = users.tick() => users::sweep(&core).await,
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// When the next deployment that waits after a failure may be started.
fn next_start(core: &Core) -> Option<Duration> {
    let now = tokio::time::Instant::now();
    let deployments = core.deployments();
    let waits = deployments.values().filter_map(|state| state.not_before).filter(|at| *at > now);
    waits.map(|at| at - now).min()
}

async fn reconcile(core: &Core, declared: &mut Declared) -> Result<(), sluice_ports::PortError> {
    attachments::sweep(core).await;
    let wanted = desired::desired(core).await;
    if core.snapshot().released != wanted.released {
        // Containers that they share with other flows let go of their lanes.
        core.table.change(|snapshot| snapshot.released.clone_from(&wanted.released));
    }
    declare(core, declared, &wanted).await?;
    lanes::place(core, declared).await?;
    let containers = core.ports.runtime.list().await?;
    let starts = core.ports.store.starts().await?;
    users::release(core, &containers, &starts).await?;
    let starts = starts.into_iter().map(|start| start.id).collect();
    let silent = apply::silent(core, &containers);
    let observed = plan::Observed { containers, starts, silent };
    let plan = {
        let mut states = core.deployments();
        apply::take_in(core, &mut states, &wanted, &observed);
        plan::plan(&wanted, &observed, &states, tokio::time::Instant::now())
    };
    if !plan.is_empty() {
        info!(%plan, "reconciling");
        apply::apply(core, &plan).await;
        core.wake.notify_one();
    }
    retire::sweep(core, declared, &observed.containers).await?;
    retire::retire(core, declared).await
}

/// Declares what the desired deployments need and was not declared yet.
async fn declare(
    core: &Core,
    declared: &mut Declared,
    wanted: &desired::Desired,
) -> Result<(), sluice_ports::PortError> {
    let broker = &core.ports.broker;
    if !declared.deployments.is_empty() && broker.depth(topology::DUE).await?.is_none() {
        warn!("the broker lost its objects; declaring all again");
        *declared = Declared::default();
        broker.declare_base().await?;
    }
    for id in wanted.deployments.keys() {
        if !declared.deployments.contains(id) {
            broker.declare_deployment(*id).await?;
            declared.deployments.insert(*id);
        }
    }
    for lane in &wanted.lanes {
        if !declared.lanes.contains(lane) {
            broker.declare_lane(lane).await?;
            declared.lanes.insert(lane.clone());
        }
    }
    Ok(())
}

/// Turns the container engine's events into hints.
async fn watch_events(core: Arc<Core>, hints: mpsc::Sender<()>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok(mut events) = core.ports.runtime.events().await {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    event = events.next() => if event.is_none() { break },
                }
                // A full channel holds a hint already.
                hints.try_send(()).ok();
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn woken(core: &Core) {
    core.wake.notified().await;
}
