//! Deployments that sleep: nothing is to be done, so they have no container. The next message wakes them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluice_domain::DeploymentId;
use sluice_domain::topology::{self, LaneName};
use sluice_protocol::gateway::Role;

use super::desired::Desired;
use crate::core::Core;

/// Those of the wanted deployments that are to have no container.
pub(crate) async fn idle(core: &Core, wanted: &Desired) -> BTreeSet<DeploymentId> {
    let Some(limit) = core.settings.idle_timeout else { return BTreeSet::new() };
    let placements = core.table.placements();
    for id in wanted.deployments.keys().filter(|id| must_wake(core, wanted, **id)) {
        placements.wake(*id);
    }
    let asleep = placements.asleep();
    let candidates = candidates(core, wanted, limit);
    for (id, seen) in candidates.into_iter().filter(|(id, _)| !asleep.contains(id)) {
        if is_empty(core, wanted, id).await {
            placements.sleep(id, seen);
        }
    }
    placements.asleep().into_iter().filter(|id| wanted.deployments.contains_key(id)).collect()
}

/// Whether somebody needs its container although no message of a flow is under way.
fn must_wake(core: &Core, wanted: &Desired, id: DeploymentId) -> bool {
    core.invocations.keeps(id) || wanted.attached.contains_key(&id)
}

/// The deployments of which nothing was seen for long enough, and when something of each was seen last.
fn candidates(core: &Core, wanted: &Desired, limit: Duration) -> BTreeMap<DeploymentId, i64> {
    let now = core.ports.clock.now().timestamp_millis();
    let quiet_since = |millis: i64| Duration::from_millis(u64::try_from(now - millis).unwrap_or(0));
    let seen = core.table.placements().deployments();
    // What the process before this one sent may still run, for as long as a run may take.
    let mut longest: BTreeMap<DeploymentId, Duration> = BTreeMap::new();
    let mut listening = BTreeSet::new();
    let snapshot = core.snapshot();
    for step in snapshot.versions.values().flat_map(|live| live.compiled.steps.values()) {
        let id = step.deployment.id;
        let most = longest.entry(id).or_default();
        *most = step.timeout.get().max(*most);
        if step.role == Role::Listener {
            listening.insert(id);
        }
    }
    let fits = |id: &DeploymentId| {
        let (unfinished, last) = seen.get(id).copied().unwrap_or_default();
        let first = limit + longest.get(id).copied().unwrap_or_default();
        let may = !must_wake(core, wanted, *id) && !listening.contains(id) && unfinished == 0;
        (may && core.started.elapsed() > first && quiet_since(last) > limit).then_some((*id, last))
    };
    wanted.deployments.keys().filter_map(fits).collect()
}

/// Whether nothing waits for a deployment.
async fn is_empty(core: &Core, wanted: &Desired, id: DeploymentId) -> bool {
    let own = wanted.lanes.iter().filter(|lane| lane.deployment() == id && !lane.is_common());
    let queues = own.map(|lane| lane.as_str().to_owned());
    let shared = [LaneName::common(id).as_str().to_owned(), topology::suspects_queue(id)];
    for queue in queues.chain(shared) {
        match core.ports.broker.depth(&queue).await {
            Ok(None) => {}
            Ok(Some(depth)) if depth.ready == 0 => {}
            Ok(Some(_)) | Err(_) => return false,
        }
    }
    true
}
