//! Flows, versions, activity and ticks.

use std::sync::Arc;

use serde_json::{Value, json};
use sluice_domain::topology::LaneName;
use sluice_domain::{Counters, DeploymentId, Flow, FlowVersion, Intent, RunStatus, StepCounters, StepRun};
use sluice_ports::Fault;
use sluice_ports::store::{Activity, CounterDelta, HistoryBatch, NewVersion, Store, TickState};
use sluice_protocol::MessageId;

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::{at, compiled, dead_letter, flow, run, step};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    a_flow_is_found_by_id_and_name(harness).await;
    a_change_that_was_planned_against_another_version_is_a_conflict(harness).await;
    a_name_belongs_to_one_flow(harness).await;
    an_intent_is_set(harness).await;
    old_versions_retire_and_the_current_one_does_not(harness).await;
    activity_moves_forward_only(harness).await;
    a_lane_is_noted_and_forgotten(harness).await;
    a_tick_begins_and_ends(harness).await;
    a_step_keeps_the_last_of_what_it_put(harness).await;
    removing_a_flow_leaves_its_dead_letters_only(harness).await;
}

fn new(flow: &Flow, replaces: Option<u32>) -> NewVersion {
    NewVersion { flow: flow.clone(), compiled: compiled(flow), replaces: replaces.map(FlowVersion) }
}

async fn put(store: &Arc<dyn Store>, flow: &Flow, replaces: Option<u32>) {
    ok(store.put_version(&new(flow, replaces)).await);
}

async fn a_lane_is_noted_and_forgotten(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (deployment, flow) = (DeploymentId::from_bits(1), flow(1, "a", 1).id);
    let lane = |step: &str| LaneName::of_step(deployment, flow, &step.parse().expect("a step"));
    let mut both = [lane("a"), lane("b")];
    both.sort();
    for lane in [&both[1], &both[0], &both[1]] {
        ok(store.put_own_lane(lane).await);
    }
    assert_eq!(ok(store.own_lanes().await), both);
    for _ in 0..2 {
        ok(store.remove_own_lane(&both[0]).await);
    }
    assert_eq!(ok(store.own_lanes().await), both[1..]);
}

async fn a_flow_is_found_by_id_and_name(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (b, a) = (flow(1, "b", 1), flow(2, "a", 1));
    put(&store, &b, None).await;
    put(&store, &a, None).await;
    assert_eq!(ok(store.flow(b.id).await).as_ref(), Some(&b));
    assert_eq!(ok(store.flow_named(&a.name).await).as_ref(), Some(&a));
    assert_eq!(ok(store.flow(flow(3, "c", 1).id).await), None);
    assert_eq!(ok(store.flow_named(&flow(3, "c", 1).name).await), None);
    assert_eq!(ok(store.flows().await), [a, b]);
}

async fn a_change_that_was_planned_against_another_version_is_a_conflict(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    put(&store, &flow(1, "a", 1), None).await;
    put(&store, &flow(1, "a", 2), Some(1)).await;
    let third = flow(1, "a", 3);
    for replaces in [None, Some(1), Some(3)] {
        let refused = store.put_version(&new(&third, replaces)).await;
        assert_eq!(fault_of(refused), Fault::Conflict, "planned against {replaces:?}");
    }
    let gone = store.put_version(&new(&flow(2, "b", 2), Some(1))).await;
    assert_eq!(fault_of(gone), Fault::Conflict, "planned against a flow that was removed");
    assert_eq!(ok(store.versions().await), [compiled(&flow(1, "a", 1)), compiled(&flow(1, "a", 2))]);
    let current = ok(store.flow(third.id).await).expect("the flow is there");
    assert_eq!(current.version, FlowVersion(2), "a refused change changes nothing");
    let second = ok(store.version(third.id, FlowVersion(2)).await);
    assert_eq!(second, Some(compiled(&flow(1, "a", 2))));
    assert_eq!(ok(store.version(third.id, FlowVersion(3)).await), None);
}

async fn a_name_belongs_to_one_flow(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    put(&store, &flow(1, "a", 1), None).await;
    put(&store, &flow(2, "b", 1), None).await;
    assert_eq!(fault_of(store.put_version(&new(&flow(3, "a", 1), None)).await), Fault::Conflict);
    let renamed = store.put_version(&new(&flow(2, "a", 2), Some(1))).await;
    assert_eq!(fault_of(renamed), Fault::Conflict);
    put(&store, &flow(2, "c", 2), Some(1)).await;
    assert_eq!(ok(store.flow_named(&flow(2, "b", 1).name).await), None, "a renamed flow frees its name");
}

async fn an_intent_is_set(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let mut flow = flow(1, "a", 1);
    assert_eq!(fault_of(store.set_intent(flow.id, Intent::Pause, at(9)).await), Fault::NotFound);
    put(&store, &flow, None).await;
    ok(store.set_intent(flow.id, Intent::Pause, at(9)).await);
    flow.intent = Intent::Pause;
    flow.updated_at = at(9);
    assert_eq!(ok(store.flow(flow.id).await), Some(flow));
}

async fn old_versions_retire_and_the_current_one_does_not(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (old, flow) = (flow(1, "a", 1), flow(1, "a", 2));
    put(&store, &old, None).await;
    put(&store, &flow, Some(1)).await;
    assert_eq!(fault_of(store.retire_version(flow.id, FlowVersion(2)).await), Fault::Conflict);
    ok(store.retire_version(flow.id, FlowVersion(1)).await);
    ok(store.retire_version(flow.id, FlowVersion(1)).await);
    assert_eq!(ok(store.versions().await), [compiled(&flow)]);
}

async fn activity_moves_forward_only(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let flow = flow(1, "a", 1);
    put(&store, &flow, None).await;
    let seen = |seconds| Activity { flow: flow.id, version: flow.version, seen_at: at(seconds) };
    ok(store.note_activity(&[seen(60), seen(120)]).await);
    ok(store.note_activity(&[seen(60)]).await);
    assert_eq!(ok(store.activity().await), [seen(120)]);
    let gone = Activity { version: FlowVersion(9), ..seen(60) };
    ok(store.note_activity(&[gone]).await);
    assert_eq!(ok(store.activity().await), [seen(120)], "a version that is not kept is not seen");
}

async fn a_tick_begins_and_ends(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let flow = flow(1, "a", 1);
    put(&store, &flow, None).await;
    let (id, tick) = (flow.id, step("tick"));
    let (first, second) = (MessageId::from_bits(1), MessageId::from_bits(2));
    assert_eq!(ok(store.tick_state(id, &tick).await), TickState::default());

    ok(store.begin_tick(id, &tick, first, at(1)).await);
    let pending = TickState { cursor: None, pending: Some((first, at(1))), last: Some(at(1)) };
    assert_eq!(ok(store.tick_state(id, &tick).await), pending);

    ok(store.end_tick(id, &tick, second, Some(&json!("stray"))).await);
    assert_eq!(ok(store.tick_state(id, &tick).await), pending, "the end of another tick does nothing");

    let cursor = json!({ "after": [1, null] });
    ok(store.end_tick(id, &tick, first, Some(&cursor)).await);
    let done = TickState { cursor: Some(cursor), pending: None, last: Some(at(1)) };
    assert_eq!(ok(store.tick_state(id, &tick).await), done);
    ok(store.end_tick(id, &tick, first, Some(&json!("again"))).await);
    assert_eq!(ok(store.tick_state(id, &tick).await), done, "a tick ends once");

    ok(store.begin_tick(id, &tick, second, at(2)).await);
    ok(store.end_tick(id, &tick, second, None).await);
    let kept = TickState { last: Some(at(2)), ..done };
    assert_eq!(ok(store.tick_state(id, &tick).await), kept, "without a new cursor the old one stays");
    ok(store.begin_tick(id, &tick, first, at(3)).await);
    ok(store.end_tick(id, &tick, first, Some(&Value::Null)).await);
    assert_eq!(ok(store.tick_state(id, &tick).await).cursor, Some(Value::Null), "null is a cursor");
    let (seen, left) = (json!({ "b": [1.5], "a": { "_opened": "ü" } }), json!({ "a": 1 }));
    assert!(!ok(store.replace_cursor(id, &tick, &seen, &left).await), "another cursor stands there");
    ok(store.begin_tick(id, &tick, second, at(4)).await);
    ok(store.end_tick(id, &tick, second, Some(&seen)).await);
    ok(store.begin_tick(id, &tick, first, at(5)).await);
    assert!(!ok(store.replace_cursor(id, &tick, &seen, &left).await), "a tick is under way");
    ok(store.end_tick(id, &tick, first, None).await);
    let other = json!({ "b": [1.5], "a": { "_opened": "u" } });
    assert!(!ok(store.replace_cursor(id, &tick, &other, &left).await));
    assert!(ok(store.replace_cursor(id, &tick, &seen, &left).await));
    assert_eq!(ok(store.tick_state(id, &tick).await).cursor, Some(left.clone()));
    assert!(!ok(store.replace_cursor(id, &step("none"), &seen, &left).await));
}

async fn a_step_keeps_the_last_of_what_it_put(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let flow = flow(1, "a", 1);
    let (one, other) = (step("one"), step("other"));
    let early = store.put_step_state(flow.id, &one, &json!(1)).await;
    assert_eq!(fault_of(early), Fault::NotFound, "there is no such flow yet");
    put(&store, &flow, None).await;
    assert_eq!(ok(store.step_state(flow.id, &one).await), None);
    for value in [json!({ "b": [1.5, "ü"], "a": null }), json!("x".repeat(1 << 20)), Value::Null] {
        ok(store.put_step_state(flow.id, &one, &value).await);
        assert_eq!(ok(store.step_state(flow.id, &one).await), Some(value));
    }
    ok(store.put_step_state(flow.id, &other, &json!(2)).await);
    assert_eq!(ok(store.step_state(flow.id, &one).await), Some(Value::Null), "each step has its own");
    let changed = Flow { version: FlowVersion(2), ..flow };
    put(&store, &changed, Some(1)).await;
    assert_eq!(ok(store.step_state(changed.id, &other).await), Some(json!(2)), "versions come and go");
}

async fn removing_a_flow_leaves_its_dead_letters_only(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (gone, kept) = (flow(1, "a", 1), flow(2, "b", 1));
    for flow in [&gone, &kept] {
        put(&store, flow, None).await;
        let seen = Activity { flow: flow.id, version: flow.version, seen_at: at(0) };
        ok(store.note_activity(&[seen]).await);
        ok(store.begin_tick(flow.id, &step("tick"), MessageId::from_bits(1), at(1)).await);
        ok(store.put_step_state(flow.id, &step("push"), &json!(1)).await);
    }
    let one = run(1, 1, RunStatus::Queued);
    let two = StepRun { flow: kept.id, ..run(2, 2, RunStatus::Queued) };
    let delta = StepCounters { received: 1, ..Default::default() };
    let counters = [gone.id, kept.id].map(|flow| CounterDelta { flow, step: step("push"), delta }).to_vec();
    ok(store.record(&HistoryBatch { runs: vec![one.clone(), two.clone()], retries: vec![], counters }).await);
    ok(store.put_dead_letters(&[dead_letter(1)]).await);

    ok(store.remove_flow(gone.id).await);
    ok(store.remove_flow(gone.id).await);
    assert_eq!(ok(store.flows().await), std::slice::from_ref(&kept));
    assert_eq!(ok(store.versions().await), [compiled(&kept)]);
    assert_eq!(ok(store.activity().await).len(), 1);
    assert_eq!(ok(store.tick_state(gone.id, &step("tick")).await), TickState::default());
    assert!(ok(store.tick_state(kept.id, &step("tick")).await).pending.is_some());
    assert_eq!(ok(store.step_state(gone.id, &step("push")).await), None);
    assert_eq!(ok(store.step_state(kept.id, &step("push")).await), Some(json!(1)));
    assert_eq!(ok(store.counters(gone.id).await), Counters::default());
    assert_eq!(ok(store.counters(kept.id).await).steps.len(), 1);
    assert!(ok(store.execution(one.execution).await).is_none());
    assert!(ok(store.step_run(one.id).await).is_none());
    assert!(ok(store.execution(two.execution).await).is_some());
    assert!(ok(store.dead_letter(dead_letter(1).id).await).is_some());
    put(&store, &flow(3, "a", 1), None).await;
}
