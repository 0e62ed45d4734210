//! What the flows need: deployments and lanes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sluice_domain::topology::LaneName;
use sluice_domain::{ContainerStartId, DeploymentId, DeploymentSpec, FlowId, FlowVersion, Intent};

use super::lanes::has_lane;
use super::retire::{is_drained, is_quiet};
use super::sleep;
use crate::core::Core;

/// What the flows need.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) deployments: BTreeMap<DeploymentId, DeploymentSpec>,
    pub(crate) lanes: BTreeSet<LaneName>,
    /// Those of the deployments that have no container because a process of an author takes its place, with the start of
    /// that process if there is one.
    pub(crate) attached: BTreeMap<DeploymentId, Option<ContainerStartId>>,
    /// Those of the deployments that have no container because nothing was to be done for a while.
    pub(crate) idle: BTreeSet<DeploymentId>,
    /// Versions that are to end and of which nothing is under way any more.
    pub(crate) released: BTreeSet<(FlowId, FlowVersion)>,
}

/// Reads what the flows need. A flow that is to stop needs its deployments until nothing of it is under way.
pub(crate) async fn desired(core: &Core) -> Desired {
    let snapshot = core.snapshot();
    let mut wanted = Desired::default();
    let mut finished: BTreeSet<(FlowId, FlowVersion)> = BTreeSet::new();
    for (key, live) in &snapshot.versions {
        let Some(flow) = snapshot.flows.get(&key.0) else { continue };
        let ending = flow.intent == Intent::Stop || flow.intent.is_end();
        if flow.intent == Intent::Discard || (ending && is_quiet(core, live).await) {
            finished.insert(*key);
        } else if !ending && is_drained(core, flow, live).await {
            wanted.released.insert(*key);
        }
    }
    let own = core.table.placements().own();
    for (key, live) in &snapshot.versions {
        // The versions of a flow share lanes, so those of a flow that ends do so together.
        if snapshot.versions_of(key.0).all(|(key, _)| finished.contains(key)) {
            wanted.released.insert(*key);
        }
        if wanted.released.contains(key) || !snapshot.flows.contains_key(&key.0) {
            continue;
        }
        for step in live.compiled.steps.values().filter(|step| step.is_served()) {
            let id = step.deployment.id;
            if let Entry::Vacant(place) = wanted.deployments.entry(id) {
                place.insert(step.deployment.clone());
                wanted.lanes.insert(LaneName::common(id));
            }
            if !own.is_empty() && has_lane(step) && own.contains(&step.lane) {
                wanted.lanes.insert(step.lane.clone());
            }
        }
    }
    for spec in core.invocations.warm(core.settings.keep_warm) {
        wanted.deployments.insert(spec.id, spec);
    }
    for spec in wanted.deployments.values() {
        wanted.attached.extend(core.attachments.over(spec).map(|start| (spec.id, start)));
    }
    wanted.idle = sleep::idle(core, &wanted).await;
    wanted
}
