//! What follows from an outcome, without a broker.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sluice_domain::{DeadReason, ExitInfo, RunStatus, StepId, Tier};
use sluice_mapping::{Evaluator, Limits};
use sluice_ports::broker::Target;
use sluice_protocol::{Envelope, ErrorInfo, Headers, MessageId, Outcome, Output, Retained, Status};

use super::effects::Effects;
use super::pass::Cx;
use super::record::{Replay, Retry};
use super::route;
use super::trace::Share;
use super::window::Key;
use crate::fixtures::flow;
use crate::table::LiveFlow;

const ORDERS: &str = r#"
  - { id: orders, use: demo/listen }
  - id: lines
    use: demo/act
    when: = body.total >= params.minimum
    split: = body.lines
    input: { sku: $.item.sku, order: $.body.id, total: = body.total * 2 }
    retry: { attempts: 3, initial: 7s, backoff: fixed }
  - id: last
    use: demo/act
    input: { from: $.steps.orders.body.id, sku: $.body.sku }
"#;

fn route_with(live: &LiveFlow, step: &str, outcome: &Outcome, exit: Option<ExitInfo>) -> Effects {
    let mut evaluator = Evaluator::new(Limits::default());
    let step: StepId = step.parse().unwrap();
    route::route(&mut cx(live, &mut evaluator, exit), &step, outcome)
}

fn cx<'a>(live: &'a LiveFlow, evaluator: &'a mut Evaluator, exit: Option<ExitInfo>) -> Cx<'a> {
    Cx {
        live,
        evaluator,
        now: chrono::DateTime::UNIX_EPOCH,
        recorded_bytes: 1000,
        suspicions: 3,
        exit,
        sampled: true,
        traced: Share::new(Some(1.0)),
    }
}

fn outcome(live: &LiveFlow, step: &str, status: Status) -> Outcome {
    Outcome {
        input: MessageId::from_bits(1),
        step: live.compiled.address(&step.parse().unwrap()).to_key(),
        execution: Some(MessageId::from_bits(1).execution(0)),
        attempt: 1,
        suspected: 0,
        status,
        outputs: Vec::new(),
        offset: 0,
        error: None,
        state: None,
        context: None,
        micros: 5,
        traceparent: None,
        retained: Some(Retained {
            body: to_raw_value(&json!({"kept": 1})).unwrap(),
            headers: Headers::new(),
        }),
    }
}

fn with_output(mut outcome: Outcome, body: Value) -> Outcome {
    outcome.outputs.push(Output {
        port: sluice_protocol::Port::default(),
        body: to_raw_value(&body).unwrap(),
        headers: Headers::new(),
    });
    outcome
}

fn with_error(mut outcome: Outcome, code: &str, retryable: bool) -> Outcome {
    outcome.error = Some(ErrorInfo::new(code, "it failed", retryable));
    outcome
}

fn envelopes(effects: &Effects) -> Vec<Envelope> {
    effects.sends.iter().map(|send| serde_json::from_slice(&send.record).unwrap()).collect()
}

fn bodies(effects: &Effects) -> Vec<Value> {
    envelopes(effects).iter().map(|envelope| serde_json::from_str(envelope.body.get()).unwrap()).collect()
}

fn order() -> Value {
    json!({ "id": 18_446_744_073_709_551_615_u64, "total": 10, "lines": [{ "sku": "a" }, { "sku": "b" }] })
}

#[test]
fn an_output_is_split_and_mapped_and_goes_to_the_next_lane() {
    let live = flow(ORDERS, json!({ "minimum": 5 }));
    let effects =
        route_with(&live, "orders", &with_output(outcome(&live, "orders", Status::Ok), order()), None);
    let expect = |sku| json!({ "sku": sku, "order": 18_446_744_073_709_551_615_u64, "total": 20 });
    assert_eq!(bodies(&effects), vec![expect("a"), expect("b")]);
    let lane = live.compiled.steps[&"lines".parse::<StepId>().unwrap()].lane.clone();
    assert!(effects.sends.iter().all(|send| send.target == Target::Lane(lane.clone())));
    assert_eq!(effects.balance, 2);
    let envelopes = envelopes(&effects);
    assert_ne!(envelopes[0].id, envelopes[1].id);
    assert_eq!(envelopes[0].execution, Some(MessageId::from_bits(1).execution(0)));
}

#[test]
fn the_same_outcome_gives_the_same_ids_again() {
    let live = flow(ORDERS, json!({ "minimum": 5 }));
    let outcome = with_output(outcome(&live, "orders", Status::Ok), order());
    let ids = |effects: &Effects| effects.sends.iter().map(|send| send.id).collect::<Vec<_>>();
    assert_eq!(
        ids(&route_with(&live, "orders", &outcome, None)),
        ids(&route_with(&live, "orders", &outcome, None))
    );
}

#[test]
fn a_message_whose_condition_is_false_is_counted_as_filtered() {
    let live = flow(ORDERS, json!({ "minimum": 50 }));
    let effects =
        route_with(&live, "orders", &with_output(outcome(&live, "orders", Status::Ok), order()), None);
    assert!(effects.sends.is_empty());
    let (_, counts) = effects.counts.iter().find(|(step, _)| step.as_str() == "lines").unwrap();
    assert_eq!((counts.filtered, counts.received), (1, 0));
}

#[test]
fn an_earlier_output_travels_only_where_a_later_mapping_reads_it() {
    let live = flow(ORDERS, json!({ "minimum": 5 }));
    let effects =
        route_with(&live, "orders", &with_output(outcome(&live, "orders", Status::Ok), order()), None);
    let first = &envelopes(&effects)[0];
    assert!(first.context.as_ref().unwrap().get().contains("orders"));
    let next = Outcome { context: first.context.clone(), ..outcome(&live, "lines", Status::Ok) };
    let effects = route_with(&live, "lines", &with_output(next, json!({ "sku": "a" })), None);
    assert_eq!(bodies(&effects), vec![json!({ "from": 18_446_744_073_709_551_615_u64, "sku": "a" })]);
    let context = envelopes(&effects)[0].context.as_ref().map(|raw| raw.get().to_owned()).unwrap_or_default();
    assert!(!context.contains("orders"), "{context}");
}

#[test]
fn a_transient_error_waits_in_the_longest_tier_that_fits_and_keeps_its_id() {
    let live = flow(ORDERS, json!({}));
    let failed = with_error(outcome(&live, "lines", Status::Error), "http_503", true);
    let effects = route_with(&live, "lines", &failed, None);
    assert_eq!(effects.sends[0].target, Target::Retry(sluice_domain::Tier::S5));
    let retry: Retry = serde_json::from_slice(&effects.sends[0].record).unwrap();
    let envelope: Envelope = serde_json::from_str(retry.envelope.get()).unwrap();
    assert_eq!((retry.due, envelope.attempt, envelope.id), (7000, 2, failed.input));
    assert_eq!(envelope.body.get(), r#"{"kept":1}"#);
    assert_eq!(effects.balance, 0);
}

#[test]
fn exhausted_and_final_errors_become_dead_letters_with_the_input() {
    let live = flow(ORDERS, json!({}));
    let check = |outcome: Outcome, reason| {
        let effects = route_with(&live, "lines", &outcome, None);
        assert!(effects.sends.is_empty());
        let letter = &effects.dead[0];
        assert_eq!((letter.reason, letter.body.as_str()), (reason, r#"{"kept":1}"#));
        assert_eq!(effects.runs[0].status, RunStatus::Dead);
        assert_eq!(effects.balance, -1);
    };
    let last = Outcome { attempt: 3, ..with_error(outcome(&live, "lines", Status::Error), "http_503", true) };
    check(last, DeadReason::Exhausted);
    check(with_error(outcome(&live, "lines", Status::Error), "http_404", false), DeadReason::Failed);
}

#[test]
fn a_suspect_runs_among_few_then_alone_until_its_budget_is_used_up() {
    let live = flow(ORDERS, json!({}));
    let step = &live.compiled.steps[&"lines".parse::<StepId>().unwrap()];
    for (died, target, company) in [
        (0, Target::Lane(step.lane.clone()), 16),
        (1, Target::Suspects(step.deployment.id), 1),
        (2, Target::Suspects(step.deployment.id), 1),
    ] {
        let again = Outcome { suspected: died, ..outcome(&live, "lines", Status::Suspect) };
        let effects = route_with(&live, "lines", &again, None);
        assert_eq!((&effects.sends[0].target, effects.sends[0].company), (&target, company));
        let envelope = &envelopes(&effects)[0];
        assert_eq!((envelope.attempt, envelope.suspected), (1, died + 1));
    }
    let again = Outcome { suspected: 3, ..outcome(&live, "lines", Status::Suspect) };
    let exit = ExitInfo { code: 137, out_of_memory: true };
    let effects = route_with(&live, "lines", &again, Some(exit));
    let letter = &effects.dead[0];
    assert_eq!((letter.reason, letter.exit), (DeadReason::Crashed, Some(exit)));
    assert!(letter.error.message.contains("137, out of memory"), "{}", letter.error.message);
}

#[test]
fn a_drained_input_goes_back_to_its_lane_and_burns_no_attempt() {
    let live = flow(ORDERS, json!({}));
    let drained = with_error(outcome(&live, "lines", Status::Rebound), "drained", true);
    let effects = route_with(&live, "lines", &drained, None);
    assert!(matches!(effects.sends[0].target, Target::Lane(_)));
    assert_eq!(envelopes(&effects)[0].attempt, 1);
    // What comes of the second run has the same numbers, and must not be taken for the outcome that gave it back.
    assert!(Key::of(&drained).is_none());
    assert!(Key::of(&outcome(&live, "lines", Status::Ok)).is_some());
}

#[test]
fn an_input_whose_instance_has_to_be_authorised_waits_and_burns_no_attempt() {
    let live = flow(ORDERS, json!({}));
    let parked = with_error(outcome(&live, "lines", Status::Parked), "needs_reauth", true);
    let effects = route_with(&live, "lines", &parked, None);
    assert_eq!(effects.sends[0].target, Target::Retry(Tier::S1));
    let retry: Retry = serde_json::from_slice(&effects.sends[0].record).unwrap();
    let envelope: Envelope = serde_json::from_str(retry.envelope.get()).unwrap();
    assert_eq!((envelope.attempt, effects.dead.len()), (1, 0));
    assert!(Key::of(&parked).is_none());
}

#[test]
fn a_mapping_that_fails_is_a_dead_letter_that_a_replay_maps_again() {
    let steps = "\n  - { id: in, use: demo/listen }\n  - { id: out, use: demo/act, input: { n: '= $number(body.n)' } }\n";
    let live = flow(steps, json!({}));
    let bad = with_output(outcome(&live, "in", Status::Ok), json!({ "n": "x" }));
    let effects = route_with(&live, "in", &bad, None);
    let letter = &effects.dead[0];
    assert_eq!((letter.reason, letter.error.code.as_str()), (DeadReason::Mapping, "mapping_failed"));
    let replay = Replay {
        id: letter.redriven_as(1),
        step: letter.step.as_ref().unwrap().to_key(),
        execution: letter.execution,
        body: to_raw_value(&json!({ "n": "5" })).unwrap(),
        headers: Headers::new(),
        context: None,
        gated: true,
    };
    let mut evaluator = Evaluator::new(Limits::default());
    let effects = route::replay(&mut cx(&live, &mut evaluator, None), &"out".parse().unwrap(), &replay);
    assert_eq!(bodies(&effects), vec![json!({ "n": 5 })]);
    assert_eq!(effects.sends[0].id, replay.id);
}

#[test]
fn error_routes_pass_on_or_hand_over() {
    let steps = r"
  - { id: in, use: demo/listen }
  - { id: risky, use: demo/act, on_error: { to: alert } }
  - { id: soft, use: demo/act, after: in, on_error: continue }
  - { id: tail, use: demo/act, after: soft }
  - { id: alert, use: demo/act, after: [] }
";
    let live = flow(steps, json!({}));
    let effects = route_with(
        &live,
        "risky",
        &with_error(outcome(&live, "risky", Status::Error), "http_404", false),
        None,
    );
    let body = &bodies(&effects)[0];
    assert_eq!((&body["error"]["code"], &body["input"]), (&json!("http_404"), &json!({ "kept": 1 })));
    assert_eq!(envelopes(&effects)[0].step.as_str().rsplit('/').next(), Some("alert"));
    assert_eq!(
        effects.runs.iter().find(|run| run.step.as_str() == "risky").unwrap().status,
        RunStatus::Handled
    );
    let effects = route_with(
        &live,
        "soft",
        &with_error(outcome(&live, "soft", Status::Error), "http_404", false),
        None,
    );
    assert_eq!(bodies(&effects), vec![json!({ "kept": 1 })]);
    assert_eq!(envelopes(&effects)[0].step.as_str().rsplit('/').next(), Some("tail"));
    assert!(effects.dead.is_empty());
}

#[test]
fn a_tick_ends_with_its_cursor_and_a_failed_one_without() {
    let steps = "\n  - { id: poll, use: demo/poll, schedule: { every: 5s }, retry: { attempts: 1 } }\n  - { id: out, use: demo/act }\n";
    let live = flow(steps, json!({}));
    let done = Outcome { state: Some(json!({ "at": 3 })), ..outcome(&live, "poll", Status::Ok) };
    let tick = route_with(&live, "poll", &done, None).tick.unwrap();
    assert_eq!((tick.tick, tick.cursor), (done.input, Some(json!({ "at": 3 }))));
    let failed = with_error(outcome(&live, "poll", Status::Error), "x", false);
    assert_eq!(route_with(&live, "poll", &failed, None).tick.unwrap().cursor, None);
    let partial = with_output(outcome(&live, "poll", Status::Partial), json!(1));
    let effects = route_with(&live, "poll", &partial, None);
    assert_eq!((effects.tick, effects.sends.len()), (None, 1));
}

#[test]
fn a_message_that_is_too_large_is_refused_visibly() {
    let steps = "\n  - { id: in, use: demo/listen }\n  - { id: out, use: demo/act }\n";
    let live = flow(steps, json!({}));
    let large = with_output(outcome(&live, "in", Status::Ok), json!("x".repeat(1024 * 1024)));
    let effects = route_with(&live, "in", &large, None);
    assert!(effects.sends.is_empty());
    assert_eq!(effects.dead[0].error.code, "message_too_large");
}
