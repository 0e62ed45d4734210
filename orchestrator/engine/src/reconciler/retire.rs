//! The end of versions and flows: when nothing of them is under way any more, their lanes and records go.
//!
//! Lanes go before the records that name them, so that a process that dies in between finds them again.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_domain::compiled::CompiledStep;
use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, Flow, FlowId, FlowVersion, Intent, StepId};
use sluice_ports::runtime::Container;
use sluice_ports::{PortError, failpoint};
use tracing::{info, warn};

use super::Declared;
use super::lanes::has_lane;
use crate::core::Core;
use crate::hooks::closing::close;
use crate::table::{LiveFlow, Snapshot};

/// A version of a flow.
type Key = (FlowId, FlowVersion);

/// How long nothing must have been seen of a version before it counts as quiet.
const QUIET: Duration = Duration::from_secs(2);
/// What leaves together: each change of the table, and each look at what stays, costs in proportion to all flows.
const TOGETHER: usize = 100;

/// Whether nothing of a version is under way: none of its messages was seen lately, and its lanes are empty.
///
/// What waits in a retry tier counts as under way in the process that put it there. A restarted process does not know of
/// it: such a retry wakes a stopped flow again when it is due, and of a deleted flow it becomes a dead letter. What was not
/// seen again for so long that it cannot come any more was lost with the broker's data, or purged.
pub(crate) async fn is_quiet(core: &Core, live: &LiveFlow) -> bool {
    let age = |at: chrono::DateTime<chrono::Utc>| (core.ports.clock.now() - at).to_std().unwrap_or_default();
    let age = live.seen_at().map(age);
    if live.under_way() > 0 && age.is_none_or(|age| age <= drained_after(live)) {
        return false;
    }
    let lately = age.is_some_and(|age| age < QUIET);
    let unknown = live.seen_at().is_none() && core.started.elapsed() < QUIET;
    if lately || unknown {
        return false;
    }
    for lane in &lanes(core, live.compiled.steps.values()) {
        match core.ports.broker.depth(lane.as_str()).await {
            Ok(None) => {}
            Ok(Some(depth)) if depth.ready == 0 => {}
            Ok(Some(_)) | Err(_) => return false,
        }
    }
    true
}

/// The lanes that carry something of these steps, or may carry it.
fn lanes<'s>(core: &Core, steps: impl Iterator<Item = &'s Box<CompiledStep>>) -> BTreeSet<LaneName> {
    let mut lanes = BTreeSet::new();
    for step in steps.filter(|step| has_lane(step)) {
        lanes.insert(LaneName::common(step.deployment.id));
        if core.table.placements().is_own(&step.lane) {
            lanes.insert(step.lane.clone());
        }
    }
    lanes
}

/// How long after the last message of a version nothing of it can come any more.
fn drained_after(live: &LiveFlow) -> Duration {
    let longest =
        |step: &CompiledStep| step.retry.longest() + step.timeout.get().saturating_mul(step.retry.attempts);
    live.compiled.steps.values().map(|step| longest(step)).sum::<Duration>() + Duration::from_secs(60)
}

/// Whether an old version of a flow has nothing under way any more, and nothing of it can come.
pub(crate) async fn is_drained(core: &Core, flow: &Flow, live: &LiveFlow) -> bool {
    if live.compiled.version >= flow.version {
        return false;
    }
    let last = live.seen_at().map(|at| (core.ports.clock.now() - at).to_std().unwrap_or_default());
    let long_ago = last.unwrap_or_else(|| core.started.elapsed()) > drained_after(live);
    long_ago && is_quiet(core, live).await
}

/// What leaves as one: a flow with all its versions, or one old version of a flow.
#[derive(Debug)]
struct Leave {
    flow: FlowId,
    versions: BTreeSet<Key>,
    /// Whether the flow goes with them.
    whole: bool,
    /// Whether what waits in its lanes is thrown away.
    discard: bool,
}

/// Removes released versions, and the flows that are to be deleted, as soon as nothing holds their lanes any more.
pub(crate) async fn retire(core: &Core, declared: &mut Declared) -> Result<(), PortError> {
    let mut all = leaving(&core.snapshot());
    while !all.is_empty() {
        let rest = all.split_off(all.len().min(TOGETHER));
        leave(core, declared, std::mem::replace(&mut all, rest)).await?;
    }
    Ok(())
}

fn leaving(snapshot: &Snapshot) -> Vec<Leave> {
    let mut all = Vec::new();
    for flow in snapshot.flows.values() {
        let released = |key: &Key| snapshot.released.contains(key);
        let versions = snapshot.versions_of(flow.id).map(|(key, _)| *key);
        if flow.intent.is_end() {
            let versions: BTreeSet<Key> = versions.collect();
            if versions.iter().all(released) {
                let discard = flow.intent == Intent::Discard;
                all.push(Leave { flow: flow.id, versions, whole: true, discard });
            }
        } else {
            all.extend(versions.filter(|key| key.1 < flow.version && released(key)).map(|key| Leave {
                flow: flow.id,
                versions: BTreeSet::from([key]),
                whole: false,
                discard: false,
            }));
        }
    }
    all
}

/// Removes those of them that nothing holds any more, and all of these at once from the table.
async fn leave(core: &Core, declared: &mut Declared, some: Vec<Leave>) -> Result<(), PortError> {
    let mut gone = Vec::with_capacity(some.len());
    for one in some {
        if remove_lanes(core, declared, &one).await? {
            gone.push(one);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    failpoint::reach("retire_after_lanes").await?;
    let gone = remove_deployments(core, declared, gone).await?;
    failpoint::reach("retire_before_record").await?;
    let mut removed = Vec::with_capacity(gone.len());
    let outcome = remove_records(core, gone, &mut removed).await;
    if !removed.is_empty() {
        core.table.change(|snapshot| {
            for one in &removed {
                for key in &one.versions {
                    snapshot.versions.remove(key);
                }
                if one.whole {
                    snapshot.flows.remove(&one.flow);
                }
            }
        });
    }
    outcome
}

async fn remove_records(core: &Core, gone: Vec<Leave>, removed: &mut Vec<Leave>) -> Result<(), PortError> {
    let store = &core.ports.store;
    let snapshot = core.snapshot();
    for one in gone {
        // What the triggers opened that go now has to be closed elsewhere.
        let stays = |step: &StepId| {
            let current = snapshot.current(one.flow).filter(|_| !one.whole);
            current.is_some_and(|live| live.compiled.steps.contains_key(step))
        };
        for live in one.versions.iter().filter_map(|key| snapshot.versions.get(key)) {
            close(core, live, |step| !stays(step), false).await?;
        }
        if one.whole {
            store.remove_flow(one.flow).await?;
            info!(flow.id = %one.flow, "the flow is gone");
        } else {
            for (flow, version) in &one.versions {
                store.retire_version(*flow, *version).await?;
                info!(flow.id = %flow, %version, "an old version is retired");
            }
        }
        removed.push(one);
    }
    Ok(())
}

/// Forgets the deployments that nothing needs any more and that have no container: they only served invocations.
pub(crate) async fn sweep(
    core: &Core,
    declared: &mut Declared,
    containers: &[Container],
) -> Result<(), PortError> {
    let idle = |id: &DeploymentId| {
        let held = core.attachments.holds(*id);
        !held && !is_needed(core, *id) && !containers.iter().any(|container| container.deployment == *id)
    };
    for id in declared.deployments.iter().copied().filter(idle).collect::<Vec<_>>() {
        forget(core, id).await?;
        declared.forget(id);
    }
    Ok(())
}

/// Whether a version of a flow or an invocation needs a deployment.
pub(crate) fn is_needed(core: &Core, deployment: DeploymentId) -> bool {
    let snapshot = core.snapshot();
    let mut steps = snapshot.versions.values().flat_map(|live| live.compiled.steps.values());
    steps.any(|step| step.deployment.id == deployment) || core.invocations.keeps(deployment)
}

/// Deletes what a deployment without containers has on the broker, the lanes of single steps apart.
pub(crate) async fn forget(core: &Core, deployment: DeploymentId) -> Result<(), PortError> {
    let broker = &core.ports.broker;
    core.table.placements().wake(deployment);
    broker.delete_queue_if_idle(LaneName::common(deployment).as_str()).await?;
    broker.delete_queue_if_idle(&topology::suspects_queue(deployment)).await?;
    broker.delete_queue_if_idle(&topology::invocations_queue(deployment)).await?;
    broker.delete_exchange(deployment).await
}

/// Deletes the lanes that these versions have and no other version of their flow needs. False while a container still holds
/// one: it lets go when it learns that it does not serve them any more.
async fn remove_lanes(core: &Core, declared: &mut Declared, one: &Leave) -> Result<bool, PortError> {
    let (snapshot, placements, broker) = (core.snapshot(), core.table.placements(), &core.ports.broker);
    let steps = |of_these: bool| {
        let chosen =
            snapshot.versions_of(one.flow).filter(move |(key, _)| one.versions.contains(key) == of_these);
        chosen.flat_map(|(_, live)| live.compiled.steps.values()).filter(|step| step.is_served())
    };
    let kept: BTreeSet<&LaneName> = steps(false).map(|step| &step.lane).collect();
    let mut gone = true;
    for step in steps(true).filter(|step| !kept.contains(&step.lane)) {
        let lane = &step.lane;
        if !placements.is_own(lane) {
            placements.forget(lane);
            continue;
        }
        if one.discard {
            throw_away(core, lane.as_str()).await?;
        }
        if broker.delete_queue_if_idle(lane.as_str()).await? {
            core.ports.store.remove_own_lane(lane).await?;
            declared.lanes.remove(lane);
            placements.forget(lane);
        } else {
            gone = false;
        }
    }
    Ok(gone)
}

/// Throws away what waits in a queue of flows that are discarded. The log tells of it: nobody else does any more.
async fn throw_away(core: &Core, queue: &str) -> Result<(), PortError> {
    let count = core.ports.broker.purge(queue).await?;
    if count > 0 {
        warn!(queue, count, "batches of messages were thrown away with the flow that they were for");
    }
    Ok(())
}

/// Deletes what the deployments have on the broker that only these versions need. What is left are those of which nothing
/// is served by a container any more.
async fn remove_deployments(
    core: &Core,
    declared: &mut Declared,
    some: Vec<Leave>,
) -> Result<Vec<Leave>, PortError> {
    let snapshot = core.snapshot();
    let going: BTreeSet<Key> = some.iter().flat_map(|one| &one.versions).copied().collect();
    let needs = |live: &LiveFlow| {
        let served = live.compiled.steps.values().filter(|step| step.is_served());
        served.map(|step| step.deployment.id).collect::<Vec<_>>()
    };
    let stay = snapshot.versions.iter().filter(|(key, _)| !going.contains(key));
    let kept: BTreeSet<DeploymentId> = stay.flat_map(|(_, live)| needs(live)).collect();
    let containers = core.ports.runtime.list().await?;
    let held = |id: &DeploymentId| {
        core.attachments.holds(*id) || containers.iter().any(|container| container.deployment == *id)
    };
    let mut free = Vec::with_capacity(some.len());
    let (mut unused, mut discarded) = (BTreeSet::new(), BTreeSet::new());
    for one in some {
        let versions = one.versions.iter().filter_map(|key| snapshot.versions.get(key));
        let mine: BTreeSet<DeploymentId> = versions.flat_map(|live| needs(live)).collect();
        // What invocations keep running goes later, by `sweep`.
        let mine: Vec<DeploymentId> =
            mine.difference(&kept).copied().filter(|id| !core.invocations.keeps(*id)).collect();
        if !mine.iter().any(held) {
            if one.discard {
                discarded.extend(mine.iter().copied());
            }
            unused.extend(mine);
            free.push(one);
        }
    }
    for deployment in unused {
        if discarded.contains(&deployment) {
            throw_away(core, LaneName::common(deployment).as_str()).await?;
            throw_away(core, &topology::suspects_queue(deployment)).await?;
        }
        forget(core, deployment).await?;
        declared.forget(deployment);
    }
    Ok(free)
}
