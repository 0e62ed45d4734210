//! The end of versions and flows: when nothing of them is under way any more, their lanes and records go.
//!
//! Lanes go before the records that name them, so that a process that dies in between finds them again.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_domain::compiled::CompiledStep;
use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, Flow, FlowId, FlowVersion, Intent};
use sluice_ports::runtime::Container;
use sluice_ports::{PortError, failpoint};
use tracing::info;

use super::Declared;
use super::lanes::has_lane;
use crate::core::Core;
use crate::table::LiveFlow;

/// A version of a flow.
type Key = (FlowId, FlowVersion);

/// How long nothing must have been seen of a version before it counts as quiet.
const QUIET: Duration = Duration::from_secs(2);

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
fn lanes<'s>(core: &Core, steps: impl Iterator<Item = &'s CompiledStep>) -> BTreeSet<LaneName> {
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
    let longest = |step: &sluice_domain::compiled::CompiledStep| {
        step.retry.longest() + step.timeout.get().saturating_mul(step.retry.attempts)
    };
    live.compiled.steps.values().map(longest).sum::<Duration>() + Duration::from_secs(60)
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

/// Removes released versions, and the flows that are to be deleted, as soon as nothing holds their lanes any more.
pub(crate) async fn retire(core: &Core, declared: &mut Declared) -> Result<(), PortError> {
    let snapshot = core.snapshot();
    for flow in snapshot.flows.values() {
        let versions: BTreeSet<Key> = snapshot.versions_of(flow.id).map(|(key, _)| *key).collect();
        if flow.intent == Intent::Delete {
            if versions.is_subset(&snapshot.released) && remove(core, declared, &versions).await? {
                failpoint::reach("retire_before_record").await?;
                core.ports.store.remove_flow(flow.id).await?;
                core.table.change(|snapshot| {
                    snapshot.flows.remove(&flow.id);
                    snapshot.versions.retain(|key, _| key.0 != flow.id);
                });
                info!(flow.id = %flow.id, "the flow is gone");
            }
            continue;
        }
        for key in versions.into_iter().filter(|key| key.1 < flow.version) {
            if snapshot.released.contains(&key) && remove(core, declared, &BTreeSet::from([key])).await? {
                core.ports.store.retire_version(key.0, key.1).await?;
                core.table.change(|snapshot| {
                    snapshot.versions.remove(&key);
                });
                info!(flow.id = %key.0, version = %key.1, "an old version is retired");
            }
        }
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

/// Deletes what these versions have on the broker and no other version needs. False while a container still holds some
/// of it: it lets go when it learns that it does not serve them any more.
async fn remove(core: &Core, declared: &mut Declared, versions: &BTreeSet<Key>) -> Result<bool, PortError> {
    let snapshot = core.snapshot();
    let steps = |of_these: bool| {
        let chosen = snapshot.versions.iter().filter(move |(key, _)| versions.contains(key) == of_these);
        chosen.flat_map(|(_, live)| live.compiled.steps.values()).filter(|step| step.is_served())
    };
    let kept: BTreeSet<&LaneName> = steps(false).map(|step| &step.lane).collect();
    let mut gone = true;
    for step in steps(true).filter(|step| !kept.contains(&step.lane)) {
        let placements = core.table.placements();
        if !placements.is_own(&step.lane) {
            placements.forget(&step.lane);
        } else if core.ports.broker.delete_queue_if_idle(step.lane.as_str()).await? {
            core.ports.store.remove_own_lane(&step.lane).await?;
            declared.lanes.remove(&step.lane);
            placements.forget(&step.lane);
        } else {
            gone = false;
        }
    }
    if !gone {
        return Ok(false);
    }
    failpoint::reach("retire_after_lanes").await?;
    let kept: BTreeSet<DeploymentId> = steps(false).map(|step| step.deployment.id).collect();
    let deployments: BTreeSet<DeploymentId> = steps(true).map(|step| step.deployment.id).collect();
    let containers = core.ports.runtime.list().await?;
    // What invocations keep running goes later, by `sweep`.
    let unused = deployments.difference(&kept).filter(|id| !core.invocations.keeps(**id));
    for deployment in unused {
        let there = containers.iter().any(|container| container.deployment == *deployment);
        if there || core.attachments.holds(*deployment) {
            return Ok(false);
        }
        forget(core, *deployment).await?;
        declared.forget(*deployment);
    }
    Ok(true)
}
