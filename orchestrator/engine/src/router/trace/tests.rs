//! The spans that follow from outcomes.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sluice_mapping::{Evaluator, Limits};
use sluice_protocol::Envelope;

use super::super::effects::Effects;
use super::super::route;
use super::*;
use crate::fixtures::flow;
use crate::table::LiveFlow;

const STEPS: &str =
    "  - { id: hear, use: demo/listen }\n  - { id: first, use: demo/act }\n  - { id: last, use: demo/act }\n";
const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// What follows from an outcome of a step that emits one message.
fn routed(live: &LiveFlow, step: &str, traced: Option<f64>, more: Value) -> Effects {
    let step: StepId = step.parse().unwrap();
    let mut value = json!({
        "input": MessageId::from_bits(77), "step": live.compiled.address(&step).to_key(), "status": "ok",
        "outputs": [{ "body": 1 }], "micros": 2000,
    });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let outcome: Outcome = serde_json::from_value(value).unwrap();
    let mut evaluator = Evaluator::new(Limits::default());
    let mut cx = Cx {
        live,
        evaluator: &mut evaluator,
        now: now(),
        recorded_bytes: 0,
        suspicions: 3,
        exit: None,
        sampled: false,
        traced: Share::new(traced),
    };
    route::route(&mut cx, &step, &outcome)
}

fn envelope(effects: &Effects) -> Envelope {
    serde_json::from_slice(&effects.sends[0].record).unwrap()
}

fn context(effects: &Effects) -> TraceContext {
    envelope(effects).traceparent.unwrap().parse().unwrap()
}

#[test]
fn a_trace_goes_from_the_trigger_by_each_sending_to_each_run() {
    let live = flow(STEPS, json!({}));
    let heard = routed(&live, "hear", Some(1.0), json!({}));
    let [trigger, sending] = &heard.spans[..] else { panic!("{:?}", heard.spans) };
    let execution = MessageId::from_bits(77).execution(0);
    assert_eq!((trigger.trace, trigger.parent, &*trigger.name), (execution.bits(), None, "hear"));
    assert_eq!(trigger.begin, now() - TimeDelta::microseconds(2000));
    assert_eq!((sending.parent, &*sending.name), (Some(trigger.id), "send first"));
    assert_eq!(context(&heard), TraceContext::new(execution.bits(), sending.id, true));

    let sent = envelope(&heard);
    let run = json!({ "input": sent.id, "execution": execution, "traceparent": sent.traceparent });
    let ran = routed(&live, "first", Some(1.0), run.clone());
    let [onward, first] = &ran.spans[..] else { panic!("{:?}", ran.spans) };
    assert_eq!(
        (first.parent, first.kind, first.trace),
        (Some(sending.id), SpanKind::Consumer, execution.bits())
    );
    assert_eq!((onward.parent, &*onward.name), (Some(first.id), "send last"));
    assert_eq!(ran.spans, routed(&live, "first", Some(1.0), run).spans, "the same outcome, the same spans");
}

#[test]
fn an_attempt_that_fails_is_a_span_and_the_next_one_another_below_the_same_sending() {
    let live = flow(STEPS, json!({}));
    let failed = |attempt: u32| {
        let error = json!({ "code": "busy", "message": "a canary", "retryable": true });
        let more = json!({
            "status": "error", "outputs": [], "attempt": attempt, "traceparent": CAME, "error": error,
            "retained": { "body": 1 },
        });
        routed(&live, "first", Some(0.0), more)
    };
    let (first, second) = (failed(1), failed(2));
    let span = |effects: &Effects| effects.spans[0].clone();
    assert_ne!(span(&first).id, span(&second).id);
    assert_eq!(span(&first).parent, span(&second).parent);
    assert_eq!(span(&first).error.as_deref(), Some("busy"));
    assert!(!format!("{:?}", span(&first)).contains("canary"), "no messages of errors");
    let record = String::from_utf8(first.sends[0].record.clone()).unwrap();
    assert!(record.contains(CAME), "the next attempt belongs to the same sending: {record}");
}

#[test]
fn without_a_collector_nothing_is_traced_and_what_came_is_passed_on() {
    let live = flow(STEPS, json!({}));
    let heard = routed(&live, "hear", None, json!({}));
    assert!(heard.spans.is_empty() && envelope(&heard).traceparent.is_none());
    let came = routed(&live, "hear", None, json!({ "traceparent": CAME }));
    assert_eq!((context(&came).trace(), came.spans.len()), (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0));
}

#[test]
fn a_sender_says_whether_its_trace_is_recorded() {
    let live = flow(STEPS, json!({}));
    for (flag, spans) in [("01", 2), ("00", 0)] {
        let came = CAME.replace("-01", &format!("-{flag}"));
        let heard = routed(&live, "hear", Some(0.0), json!({ "traceparent": came }));
        assert_eq!((heard.spans.len(), context(&heard).is_sampled()), (spans, spans > 0));
    }
    let nonsense = routed(&live, "hear", Some(0.0), json!({ "traceparent": "canary" }));
    assert!(nonsense.spans.is_empty() && envelope(&nonsense).traceparent.is_none());
}

#[test]
fn a_share_of_executions_is_traced_and_always_the_same_ones() {
    let share = |part| Share::new(Some(part));
    let executions = (0..4000).map(|number| MessageId::from_bits(number).execution(0));
    let traced = executions.filter(|execution| share(0.25).has(*execution)).count();
    assert!((800..1200).contains(&traced), "{traced} of 4000");
    let any = ExecutionId::from_bits(u128::MAX);
    assert!(share(1.0).has(any) && !share(0.0).has(ExecutionId::from_bits(0)) && !Share::new(None).has(any));
}

#[test]
fn a_death_is_no_run_but_shows_and_what_did_not_run_does_not() {
    let live = flow(STEPS, json!({}));
    let ended = |status: &str, more: Value| {
        let mut value =
            json!({ "status": status, "outputs": [], "traceparent": CAME, "retained": { "body": 1 } });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        routed(&live, "first", Some(0.0), value).spans
    };
    let died = ended("suspect", json!({}));
    assert_eq!(died[0].error.as_deref(), Some("container_died"));
    assert_ne!(
        died[0].id,
        ended("suspect", json!({ "suspected": 1 }))[0].id,
        "each death has a span of its own"
    );
    let drained = json!({ "error": { "code": "drained", "message": "stopped", "retryable": true } });
    assert!(ended("rebound", drained).is_empty());
    assert!(ended("partial", json!({})).is_empty());
}
