//! Lanes of their own for steps that are busy or have to wait, and back to the common lane for those that became quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluice_domain::Intent;
use sluice_domain::compiled::CompiledStep;
use sluice_domain::topology::LaneName;
use sluice_ports::PortError;
use sluice_protocol::gateway::Role;

use super::Declared;
use crate::core::Core;
use crate::table::Snapshot;

/// How much longer than a run may take nothing must have been seen of a step for its new lane to be read although something
/// may still be in the common one.
const SLACK: Duration = Duration::from_secs(30);

/// Whether a step has inputs that come through a lane.
pub(crate) fn has_lane(step: &CompiledStep) -> bool {
    matches!(step.role, Role::Action | Role::Polling)
}

/// Brings the placements of the steps to what they need.
pub(crate) async fn place(core: &Core, declared: &mut Declared) -> Result<(), PortError> {
    let (placements, snapshot) = (core.table.placements(), core.snapshot());
    let now = core.ports.clock.now().timestamp_millis();
    let waiting = waiting(&snapshot);
    for lane in &waiting {
        placements.ask(lane, now);
    }
    let mut news = promote(core, declared, &snapshot).await?;
    let draining = placements.draining();
    if !draining.is_empty() {
        let known = known(&snapshot);
        for lane in draining {
            let timeout = known.get(&lane).copied().unwrap_or_default();
            news |= placements.give_up_draining(&lane, timeout + SLACK, now);
        }
    }
    for lane in placements.quiet(now).difference(&waiting) {
        let empty = core.ports.broker.depth(lane.as_str()).await?.is_none_or(|depth| depth.ready == 0);
        news |= empty && placements.demote(lane, now);
    }
    if news {
        core.table.tell();
    }
    clear(core, declared, now).await
}

/// The lanes of the steps whose inputs have to wait: their flow is paused, or a person has to authorise their instance.
fn waiting(snapshot: &Snapshot) -> BTreeSet<LaneName> {
    let paused = |flow| snapshot.flows.get(flow).is_some_and(|flow| flow.intent == Intent::Pause);
    let flows = snapshot.versions.iter().filter(|((flow, _), _)| !snapshot.parked.is_empty() || paused(flow));
    let steps =
        flows.flat_map(|((flow, _), live)| live.compiled.steps.values().map(move |step| (flow, step)));
    let waits = steps.filter(|(flow, step)| has_lane(step) && (paused(flow) || snapshot.waits(step)));
    waits.map(|(_, step)| step.lane.clone()).collect()
}

/// The lane of each step that there is, and how long a run of it may take.
fn known(snapshot: &Snapshot) -> BTreeMap<LaneName, Duration> {
    let steps = snapshot.versions.values().flat_map(|live| live.compiled.steps.values());
    steps.filter(|step| has_lane(step)).map(|step| (step.lane.clone(), step.timeout.get())).collect()
}

/// Gives lanes of their own to those that ask for one.
async fn promote(core: &Core, declared: &mut Declared, snapshot: &Snapshot) -> Result<bool, PortError> {
    let placements = core.table.placements();
    let asking = placements.asking();
    let mut news = false;
    if asking.is_empty() {
        return Ok(news);
    }
    let known = known(snapshot);
    for lane in asking {
        if !known.contains_key(&lane) {
            placements.forget(&lane);
            continue;
        }
        // The note first: a lane without one would be read by nobody after a restart.
        core.ports.store.put_own_lane(&lane).await?;
        core.ports.broker.declare_lane(&lane).await?;
        news |= placements.promote(&lane, core.ports.clock.now().timestamp_millis());
        declared.lanes.insert(lane);
    }
    Ok(news)
}

/// Deletes the lanes that their steps gave up, once nobody reads them any more.
async fn clear(core: &Core, declared: &mut Declared, now: i64) -> Result<(), PortError> {
    let (placements, broker) = (core.table.placements(), &core.ports.broker);
    for lane in placements.left() {
        if broker.delete_queue_if_idle(lane.as_str()).await? {
            core.ports.store.remove_own_lane(&lane).await?;
            declared.lanes.remove(&lane);
            placements.deleted(&lane);
        } else if broker.depth(lane.as_str()).await?.is_some_and(|depth| depth.ready > 0) {
            // Something came to it in spite of all: it is a lane again.
            placements.ask(&lane, now);
        }
    }
    Ok(())
}
