//! Closing what polling triggers opened elsewhere, when their flow ends.
//!
//! A trigger keeps what it opened as the member [`OPENED`] of its cursor. When nothing of its flow is under way any more, the
//! member becomes a subscription that nobody wants, and the loop of [subscriptions](super::subscriptions) ends it.

use std::collections::BTreeSet;

use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_declarative::Hook;
use sluice_domain::{FlowId, Intent, StepId};
use sluice_ports::PortError;
use sluice_ports::store::Subscription;
use sluice_protocol::OPENED;

use super::subscriptions::{Said, seal};
use crate::core::Core;
use crate::gateway::hex;
use crate::table::LiveFlow;

/// Lets end what the triggers of stopped flows opened, once nothing of them is under way. Flows that were `closed` are not
/// looked at again: there may be thousands that stand still.
pub(super) async fn close_stopped(core: &Core, closed: &mut BTreeSet<FlowId>) -> Result<(), PortError> {
    let snapshot = core.snapshot();
    let rests = |flow: FlowId| {
        let stopped = snapshot.flows.get(&flow).is_some_and(|flow| flow.intent == Intent::Stop);
        stopped && snapshot.versions_of(flow).all(|(key, _)| snapshot.released.contains(key))
    };
    closed.retain(|flow| rests(*flow));
    for flow in snapshot.flows.keys().copied().filter(|flow| rests(*flow)) {
        if let Some(live) = snapshot.current(flow).filter(|_| !closed.contains(&flow)) {
            close(core, live, |_| true, true).await?;
            closed.insert(flow);
        }
    }
    Ok(())
}

/// Lets end what the polling triggers among these steps opened: [`OPENED`] is taken out of their cursors and becomes a
/// subscription that nobody wants. It is kept before it is taken out, so that none is forgotten when the process dies
/// meanwhile; then it may end twice. Nothing of the steps must be under way. `may_tick` says whether they stay, so that their
/// flow may be started at the same time.
pub(crate) async fn close(
    core: &Core,
    live: &LiveFlow,
    of: impl Fn(&StepId) -> bool,
    may_tick: bool,
) -> Result<(), PortError> {
    let (store, flow) = (&core.ports.store, live.compiled.id);
    for (id, step) in live.compiled.steps.iter().filter(|(id, _)| of(id)) {
        let (Some(action), Some(instance)) = (&step.closes_with, &step.instance) else { continue };
        let state = store.tick_state(flow, id).await?;
        let Some(seen) = state.cursor else { continue };
        let mut left = seen.clone();
        let Some(opened) = left.as_object_mut().and_then(|fields| fields.remove(OPENED)) else { continue };
        let mut hash = Sha256::new();
        hash.update(json!([instance, action, step.config, opened]).to_string());
        let key = (flow, id.clone(), hex(&hash.finalize()[..16]));
        let said = Said {
            url: String::new(),
            secret: String::new(),
            config: step.config.clone(),
            given: opened,
            trigger: Some(step.function.clone()),
        };
        let one = Subscription {
            flow,
            step: id.clone(),
            fingerprint: key.2.clone(),
            instance: instance.clone(),
            unsubscribe: Some(json!(Hook::Action(action.to_string())).to_string()),
            confirmed: true,
            sealed: seal(core, &key, &said)?,
            created_at: core.ports.clock.now(),
        };
        store.put_subscription(&one).await?;
        if !store.replace_cursor(flow, id, &seen, &left).await? && may_tick {
            // The flow runs again.
            store.remove_subscription(flow, id, &key.2).await?;
        }
    }
    Ok(())
}
