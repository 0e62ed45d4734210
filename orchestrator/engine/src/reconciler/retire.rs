//! The end of versions and flows: when nothing of them is under way any more, their lanes and records go.
//!
//! Lanes go before the records that name them, so that a process that dies in between finds them again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, FlowId, Intent};
use sluice_ports::PortError;
use tracing::info;

use super::Declared;
use crate::core::Core;
use crate::table::LiveFlow;

/// How long nothing must have been seen of a version before it counts as quiet.
const QUIET: Duration = Duration::from_secs(2);

/// Whether nothing of a version is under way: none of its messages was seen lately, and its lanes are empty.
///
/// What waits in a retry tier counts as under way in the process that put it there. A restarted process does not know of
/// it: such a retry wakes a stopped flow again when it is due, and of a deleted flow it becomes a dead letter.
pub(crate) async fn is_quiet(core: &Core, live: &LiveFlow) -> bool {
    if live.under_way() > 0 {
        return false;
    }
    let age = |at: chrono::DateTime<chrono::Utc>| (core.ports.clock.now() - at).to_std().unwrap_or_default();
    let lately = live.seen_at().is_some_and(|at| age(at) < QUIET);
    let unknown = live.seen_at().is_none() && core.started.elapsed() < QUIET;
    if lately || unknown {
        return false;
    }
    let lanes: BTreeSet<LaneName> = live.compiled.steps.values().map(|step| step.lane.clone()).collect();
    for lane in &lanes {
        match core.ports.broker.depth(lane.as_str()).await {
            Ok(None) => {}
            Ok(Some(depth)) if depth.ready == 0 => {}
            Ok(Some(_)) | Err(_) => return false,
        }
    }
    true
}

/// How long after the last message of an old version nothing of it can come any more.
fn drained_after(live: &LiveFlow) -> Duration {
    let longest = |step: &sluice_domain::compiled::CompiledStep| {
        step.retry.longest() + step.timeout.get().saturating_mul(step.retry.attempts)
    };
    live.compiled.steps.values().map(longest).sum::<Duration>() + Duration::from_secs(60)
}

/// Retires old versions and removes flows that are to be deleted.
pub(crate) async fn retire(core: &Core, declared: &mut Declared) -> Result<(), PortError> {
    let snapshot = core.snapshot();
    let deleted: Vec<FlowId> =
        snapshot.flows.values().filter(|flow| flow.intent == Intent::Delete).map(|flow| flow.id).collect();
    for flow in deleted {
        delete(core, declared, flow).await?;
    }
    for (key, live) in &snapshot.versions {
        let Some(flow) = snapshot.flows.get(&key.0) else { continue };
        let old = key.1 < flow.version && flow.intent != Intent::Delete;
        let last = live.seen_at().map(|at| (core.ports.clock.now() - at).to_std().unwrap_or_default());
        let long_ago = last.unwrap_or_else(|| core.started.elapsed()) > drained_after(live);
        if !(old && long_ago && is_quiet(core, live).await) {
            continue;
        }
        info!(flow.id = %key.0, version = %key.1, "an old version is retired");
        let kept = lanes_of(core, |other| *other != *key);
        remove_lanes(core, declared, live, &kept).await?;
        core.ports.store.retire_version(key.0, key.1).await?;
        core.table.change(|snapshot| {
            snapshot.versions.remove(key);
        });
    }
    Ok(())
}

/// The lanes of the versions that `keep` chooses.
fn lanes_of(core: &Core, keep: impl Fn(&(FlowId, sluice_domain::FlowVersion)) -> bool) -> BTreeSet<LaneName> {
    let snapshot = core.snapshot();
    let kept = snapshot.versions.iter().filter(|(key, _)| keep(key));
    kept.flat_map(|(_, live)| live.compiled.steps.values().map(|step| step.lane.clone())).collect()
}

/// Deletes the lanes of a version that no other version needs. False when one of them is still in use.
async fn remove_lanes(
    core: &Core,
    declared: &mut Declared,
    live: &LiveFlow,
    kept: &BTreeSet<LaneName>,
) -> Result<bool, PortError> {
    let mut gone = true;
    for step in live.compiled.steps.values() {
        if kept.contains(&step.lane) {
            continue;
        }
        if core.ports.broker.delete_queue_if_idle(step.lane.as_str()).await? {
            declared.lanes.remove(&step.lane);
        } else {
            gone = false;
        }
    }
    Ok(gone)
}

async fn delete(core: &Core, declared: &mut Declared, flow: FlowId) -> Result<(), PortError> {
    let snapshot = core.snapshot();
    let versions: Vec<Arc<LiveFlow>> =
        snapshot.versions.iter().filter(|(key, _)| key.0 == flow).map(|(_, live)| live.clone()).collect();
    for live in &versions {
        if !is_quiet(core, live).await {
            return Ok(());
        }
    }
    let kept = lanes_of(core, |key| key.0 != flow);
    let mut gone = true;
    for live in &versions {
        gone &= remove_lanes(core, declared, live, &kept).await?;
    }
    if !gone {
        // Its containers still hold the lanes: they let go when they learn that the flow ends.
        return Ok(());
    }
    let others: BTreeSet<_> = snapshot
        .versions
        .iter()
        .filter(|(key, _)| key.0 != flow)
        .flat_map(|(_, live)| live.compiled.steps.values().map(|step| step.deployment.id))
        .collect();
    let containers = core.ports.runtime.list().await?;
    let deployments: BTreeSet<DeploymentId> = versions
        .iter()
        .flat_map(|live| live.compiled.steps.values().map(|step| step.deployment.id))
        .collect();
    for deployment in deployments {
        if others.contains(&deployment) {
            continue;
        }
        if containers.iter().any(|container| container.deployment == deployment) {
            return Ok(());
        }
        core.ports.broker.delete_queue_if_idle(&topology::suspects_queue(deployment)).await?;
        core.ports.broker.delete_exchange(deployment).await?;
        declared.deployments.remove(&deployment);
    }
    core.ports.store.remove_flow(flow).await?;
    core.table.change(|snapshot| {
        snapshot.flows.remove(&flow);
        snapshot.versions.retain(|key, _| key.0 != flow);
    });
    info!(flow.id = %flow, "the flow is gone");
    Ok(())
}
