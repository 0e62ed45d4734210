//! What the flows need: deployments and lanes.

use std::collections::{BTreeMap, BTreeSet};

use sluice_domain::topology::LaneName;
use sluice_domain::{DeploymentId, DeploymentSpec, FlowId, FlowVersion, Intent};

use super::retire::is_quiet;
use crate::core::Core;

/// What the flows need.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) deployments: BTreeMap<DeploymentId, DeploymentSpec>,
    pub(crate) lanes: BTreeSet<LaneName>,
    /// Flows that are to end and of which nothing is under way any more.
    pub(crate) released: BTreeSet<FlowId>,
}

/// Reads what the flows need. A flow that is to stop needs its deployments until nothing of it is under way.
pub(crate) async fn desired(core: &Core) -> Desired {
    let snapshot = core.snapshot();
    let mut wanted = Desired::default();
    let mut finished: BTreeSet<(FlowId, FlowVersion)> = BTreeSet::new();
    for (key, live) in &snapshot.versions {
        let Some(flow) = snapshot.flows.get(&key.0) else { continue };
        let ending = matches!(flow.intent, Intent::Stop | Intent::Delete);
        if ending && is_quiet(core, live).await {
            finished.insert(*key);
        }
    }
    for (key, live) in &snapshot.versions {
        // One version that is not finished may still send messages to another's steps only of the same version, but
        // all versions of a flow share its lanes, so they end together.
        let ends = |key: &(FlowId, FlowVersion)| finished.contains(key);
        let all_end = snapshot
            .versions
            .range((key.0, FlowVersion(0))..=(key.0, FlowVersion(u32::MAX)))
            .all(|(key, _)| ends(key));
        if !snapshot.flows.contains_key(&key.0) {
            continue;
        }
        if all_end {
            wanted.released.insert(key.0);
            continue;
        }
        for step in live.compiled.steps.values() {
            wanted.deployments.insert(step.deployment.id, step.deployment.clone());
            wanted.lanes.insert(step.lane.clone());
        }
    }
    wanted
}
