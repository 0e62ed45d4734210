//! Back-pressure: a flow where too much waits pauses its triggers until enough is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sluice_domain::FlowId;
use sluice_domain::topology::LaneName;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::core::Core;
use crate::table::{LiveFlow, Snapshot};

const EVERY: Duration = Duration::from_secs(1);
/// Flows with fewer messages under way than this are not looked at.
const BUSY: i64 = 100;

/// Watches until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    // What waited before this process began is not in its counts, so the first round looks at every flow.
    let mut everything = true;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        let snapshot = core.snapshot();
        let (mut crowded, mut depths) = (BTreeSet::new(), BTreeMap::new());
        for flow in snapshot.flows.keys() {
            let was = snapshot.crowded.contains(flow);
            let versions = versions(&snapshot, *flow);
            let busy = versions.iter().any(|live| live.under_way() > BUSY);
            if !(busy || was || everything) {
                continue;
            }
            let steps = versions.iter().flat_map(|live| live.compiled.steps.values());
            // What a step has in the common lane is too little to count.
            let own = steps.filter(|step| core.table.placements().is_own(&step.lane));
            let waiting = waiting(&core, own.map(|step| step.lane.clone()).collect()).await;
            let limit = if was { core.settings.low_watermark } else { core.settings.high_watermark };
            depths.insert(*flow, u64::from(waiting));
            if waiting > limit {
                crowded.insert(*flow);
            }
        }
        everything = false;
        core.survey.note_waiting(depths);
        publish(&core, &snapshot.crowded, crowded);
    }
}

/// All versions of a flow.
fn versions(snapshot: &Snapshot, flow: FlowId) -> Vec<Arc<LiveFlow>> {
    snapshot.versions_of(flow).map(|(_, live)| live.clone()).collect()
}

/// Batches that wait in some lanes.
async fn waiting(core: &Core, lanes: BTreeSet<LaneName>) -> u32 {
    let mut sum: u32 = 0;
    for lane in &lanes {
        if let Ok(Some(depth)) = core.ports.broker.depth(lane.as_str()).await {
            sum = sum.saturating_add(depth.ready);
        }
    }
    sum
}

fn publish(core: &Core, before: &BTreeSet<FlowId>, now: BTreeSet<FlowId>) {
    if *before == now {
        return;
    }
    for flow in now.difference(before) {
        info!(flow.id = %flow, "too much waits; the flow's triggers pause");
    }
    for flow in before.difference(&now) {
        info!(flow.id = %flow, "enough is done; the flow's triggers go on");
    }
    core.table.change(|snapshot| snapshot.crowded = now);
}
