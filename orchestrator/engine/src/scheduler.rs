//! The scheduler: sends ticks to polling triggers.
//!
//! One loop for all flows. A tick that falls while the one before is under way, or while the flow is crowded, is skipped
//! and counted. Ticks that were missed while nobody watched are made up by one tick at once. A tick that was begun by a
//! process that died is sent again under the same id, so that it is known wherever it arrived already. So is one that the
//! broker did not confirm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sluice_domain::compiled::CompiledStep;
use sluice_domain::{FlowId, StepId};
use sluice_ports::broker::{PublishError, Target};
use sluice_ports::store::TickState;
use sluice_ports::{Fault, PortError, failpoint};
use sluice_protocol::gateway::Role;
use sluice_protocol::{Headers, MessageId};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::core::Core;
use crate::router::effects::Effects;
use crate::router::notes::Notes;
use crate::router::record::{Body, EnvelopeRef};
use crate::router::returns::publish;
use crate::table::LiveFlow;

/// How long the loop sleeps at most: the wall clock may jump.
const NAP: Duration = Duration::from_secs(30);
/// A tick that is under way for longer than this, besides what its policy allows, is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(600);
/// When a tick that was not confirmed is sent again.
const AGAIN: TimeDelta = TimeDelta::seconds(5);

type Due = BTreeMap<(FlowId, StepId), DateTime<Utc>>;

/// Sends ticks until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut changes = core.table.changes();
    let mut due = Due::new();
    let mut resent = BTreeSet::new();
    loop {
        changes.mark_unchanged();
        plan(&core, &mut due, &mut resent).await;
        let now = core.ports.clock.now();
        let next = due.values().min().copied();
        let nap = next.map_or(NAP, |next| (next - now).to_std().unwrap_or_default().min(NAP));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = changes.changed() => {}
            () = tokio::time::sleep(nap) => fire(&core, &mut due).await,
        }
    }
}

/// Brings the table of due ticks to the flows of now.
async fn plan(core: &Core, due: &mut Due, resent: &mut BTreeSet<(FlowId, StepId)>) {
    let snapshot = core.snapshot();
    let mut wanted = BTreeSet::new();
    for id in snapshot.flows.keys().filter(|id| snapshot.may_fire(**id)) {
        let Some(live) = snapshot.current(*id) else { continue };
        for (step_id, step) in live.compiled.steps.iter().filter(|(_, step)| step.role == Role::Polling) {
            let key = (*id, step_id.clone());
            wanted.insert(key.clone());
            if due.contains_key(&key) {
                continue;
            }
            let state = match core.ports.store.tick_state(*id, step_id).await {
                Ok(state) => state,
                Err(error) => {
                    warn!(error = crate::chain(&error), "cannot read where a trigger stands");
                    continue;
                }
            };
            if let Some((tick, _)) = state.pending
                && resent.insert(key.clone())
            {
                debug!(flow.id = %id, step.id = %step_id, "a tick of a process that died is sent again");
                if let Err(error) = send(core, (live, step_id, step), tick, &state).await {
                    warn!(flow.id = %id, step.id = %step_id, error = crate::chain(&error), "cannot send a tick");
                    due.insert(key, core.ports.clock.now() + AGAIN);
                    continue;
                }
            }
            due.insert(key, first(core, (*id, step_id, step), &state));
        }
    }
    due.retain(|key, _| wanted.contains(key));
}

/// When a trigger ticks next: at once when it never ticked on an interval, or missed its time.
fn first(
    core: &Core,
    (flow, id, step): (FlowId, &StepId, &CompiledStep),
    state: &TickState,
) -> DateTime<Utc> {
    let now = core.ports.clock.now();
    let Some(schedule) = &step.schedule else { return DateTime::<Utc>::MAX_UTC };
    let is_cron = matches!(schedule.timing, sluice_domain::Timing::Cron { .. });
    let last = match state.last {
        Some(last) => last,
        None if is_cron => now,
        None => return now,
    };
    schedule.next(last, seed(flow, id)).map_or(DateTime::<Utc>::MAX_UTC, |next| next.max(now))
}

fn seed(flow: FlowId, step: &StepId) -> u64 {
    let id = MessageId::derive(&flow.to_string(), step.as_str().as_bytes());
    u64::try_from(id.bits() & u128::from(u64::MAX)).unwrap_or(0)
}

async fn fire(core: &Core, due: &mut Due) {
    let now = core.ports.clock.now();
    let ready: Vec<(FlowId, StepId)> =
        due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
    let snapshot = core.snapshot();
    for key in ready {
        due.remove(&key);
        let (flow, step_id) = &key;
        let Some(live) = snapshot.current(*flow) else { continue };
        let Some(step) = live.compiled.steps.get(step_id) else { continue };
        if !snapshot.may_fire(*flow) || snapshot.waits(step) {
            count_skipped(core, *flow, step_id);
            continue;
        }
        if let Err(error) = tick(core, (live, step_id, step), now).await {
            warn!(flow.id = %flow, step.id = %step_id, error = crate::chain(&error), "cannot send a tick");
            due.insert(key, now + AGAIN);
            continue;
        }
        if let Some(schedule) = &step.schedule {
            let next = schedule.next(now, seed(*flow, step_id));
            due.insert(key.clone(), next.unwrap_or(DateTime::<Utc>::MAX_UTC));
        }
    }
}

fn count_skipped(core: &Core, flow: FlowId, step: &StepId) {
    let mut effects = Effects::default();
    effects.count(step, |counters| counters.skipped += 1);
    core.recorder.count(flow, &effects.counts);
}

/// Sends a tick unless the one before is still under way. `Ok(None)` when it was skipped. A tick before that the broker did
/// not confirm is sent again instead.
///
/// # Errors
/// When the store is away, or the broker did not confirm the tick. The next call sends it again then.
pub(crate) async fn tick(
    core: &Core,
    (live, id, step): (&LiveFlow, &StepId, &CompiledStep),
    now: DateTime<Utc>,
) -> Result<Option<MessageId>, PortError> {
    let flow = live.compiled.id;
    let state = core.ports.store.tick_state(flow, id).await?;
    if let Some((tick, since)) = state.pending {
        if core.unconfirmed().contains(&(flow, id.clone())) {
            send(core, (live, id, step), tick, &state).await?;
            return Ok(Some(tick));
        }
        let allowed = step.retry.longest() + step.timeout.get() * step.retry.attempts + LOST_AFTER;
        if (now - since).to_std().is_ok_and(|age| age < allowed) {
            count_skipped(core, flow, id);
            return Ok(None);
        }
        warn!(flow.id = %flow, step.id = %id, "a tick never came back; ticking again");
    }
    let tick = MessageId::derive(&format!("tick {flow}/{id}"), &now.timestamp_millis().to_be_bytes());
    core.ports.store.begin_tick(flow, id, tick, now).await?;
    let state = TickState { pending: Some((tick, now)), ..state };
    send(core, (live, id, step), tick, &state).await?;
    Ok(Some(tick))
}

async fn send(
    core: &Core,
    (live, id, step): (&LiveFlow, &StepId, &CompiledStep),
    tick: MessageId,
    state: &TickState,
) -> Result<(), PortError> {
    let at = state.pending.map(|(_, at)| at);
    let body = json!({ "tick": tick, "scheduled_at": at });
    let context = Notes { cursor: state.cursor.clone(), ..Notes::default() }.write();
    let key = live.compiled.address(id).to_key();
    let record = EnvelopeRef {
        id: tick,
        step: &key,
        execution: None,
        attempt: 1,
        suspected: 0,
        body: Body::Value(&body),
        headers: &Headers::new(),
        context: context.as_deref(),
        state: state.cursor.as_ref(),
        traceparent: None,
    }
    .to_record();
    let trigger = (live.compiled.id, id.clone());
    let now = core.ports.clock.now();
    // Until it is confirmed. It may have arrived all the same; then the second one does nothing.
    let first = core.unconfirmed().insert(trigger.clone());
    if first {
        live.note(1, now);
    }
    let placements = core.table.placements();
    let lane = placements.send(&step.lane, now.timestamp_millis());
    if !first {
        placements.unsend(&step.lane);
    }
    failpoint::reach("tick_before_publish").await?;
    let message = publish(Target::Lane(lane), tick, &record);
    core.ports.broker.publish(message).await.map_err(|error| match error {
        PublishError::Unknown(error) => error,
        PublishError::Refused => PortError::new(Fault::Transient, "send a tick", "its lane is full"),
    })?;
    failpoint::reach("tick_after_publish").await?;
    core.unconfirmed().remove(&trigger);
    Ok(())
}
