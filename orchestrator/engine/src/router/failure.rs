//! What becomes of an input that failed: another attempt, the error route, or a dead letter. Never nothing.

use std::borrow::Cow;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use serde_json::value::RawValue;
use sluice_domain::compiled::CompiledStep;
use sluice_domain::{
    DeadLetter, DeadLetterState, DeadReason, ErrorRoute, RetryDecision, RunStatus, StepId, StepRun, Tier,
};
use sluice_ports::broker::Target;
use sluice_protocol::{
    ErrorInfo, ExecutionId, Headers, MessageId, Outcome, Port, Retained, Status, TraceContext,
};

use super::effects::{ALONE, ANY, Effects, Parked, Send};
use super::notes::Notes;
use super::pass::{self, Cx, Message, Origin};
use super::record::{Body, EnvelopeRef, Retry};
use super::trace;
use crate::replies::Answered;

/// Most records in a publish with one whose consumer died once.
const FEW: usize = 16;
/// The code of a rebound whose run had not begun.
const DRAINED: &str = "drained";
/// How long an input waits at least whose instance has to be authorised. Then it waits in its lane, which nobody reads
/// until that has happened.
const PARKED: Duration = Duration::from_secs(1);
/// Most times that a step may ask for the same input again.
const REBOUNDS: u32 = 100;

/// An input that failed for good.
pub(crate) struct Failed<'a> {
    pub(crate) id: MessageId,
    pub(crate) body: Cow<'a, RawValue>,
    pub(crate) headers: &'a Headers,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) notes: &'a Notes,
    pub(crate) error: ErrorInfo,
    pub(crate) reason: DeadReason,
    pub(crate) attempts: u32,
    pub(crate) suspected: u32,
    /// The span of what failed.
    pub(crate) trace: Option<TraceContext>,
}

/// Decides about an outcome whose component did not send the input back: without it there is nothing to try again.
pub(crate) fn without_input(cx: &mut Cx<'_>, effects: &mut Effects, id: &StepId, outcome: &Outcome) {
    let code = outcome.error.as_ref().map_or("none", |error| error.code.as_str());
    let text = format!("the component did not send the input back with its outcome (its error: {code})");
    effects.count(id, |counters| counters.failed += 1);
    last(cx, effects, id, outcome, (ErrorInfo::new("input_missing", &text, false), DeadReason::Malformed));
}

/// Decides about an outcome with an error.
pub(crate) fn failed(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
) {
    let error = error_of(outcome);
    effects.count(id, |counters| counters.failed += 1);
    match step.retry.decide(&error, outcome.attempt) {
        RetryDecision::After(delay) => {
            again(
                cx,
                effects,
                (id, step),
                outcome,
                Again { delay, attempt: outcome.attempt + 1, error: Some(error) },
            );
        }
        RetryDecision::Exhausted => last(cx, effects, id, outcome, (error, DeadReason::Exhausted)),
        RetryDecision::Final => last(cx, effects, id, outcome, (error, DeadReason::Failed)),
    }
}

/// Puts off an input whose step asked for it again later.
pub(crate) fn rebound(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
) {
    let error = error_of(outcome);
    if error.code == DRAINED {
        // The container was stopped before it began: nobody has tried yet, and another container may at once.
        let none = Again { delay: Duration::ZERO, attempt: outcome.attempt, error: None };
        return again(cx, effects, (id, step), outcome, none);
    }
    if outcome.attempt >= REBOUNDS {
        return last(cx, effects, id, outcome, (error, DeadReason::Exhausted));
    }
    let asked = Duration::from_secs(error.retry_after.unwrap_or(0)).min(Duration::from_secs(3600));
    let delay = step.retry.delay(outcome.attempt).max(asked);
    again(cx, effects, (id, step), outcome, Again { delay, attempt: outcome.attempt + 1, error: None });
}

/// Puts an input back whose instance has to be authorised first. Its attempt is not burned.
pub(crate) fn parked(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
) {
    if let Some(instance) = &step.instance {
        let began = cx.now - TimeDelta::microseconds(i64::try_from(outcome.micros).unwrap_or(0));
        effects.parked.push(Parked { instance: instance.clone(), began, error: error_of(outcome) });
    }
    again(cx, effects, (id, step), outcome, Again { delay: PARKED, attempt: outcome.attempt, error: None });
}

/// Whether an outcome sends its input again as the same attempt. What comes of that then looks like the outcome itself.
pub(crate) fn repeats(outcome: &Outcome) -> bool {
    match outcome.status {
        Status::Parked => true,
        Status::Rebound => outcome.error.as_ref().is_some_and(|error| error.code == DRAINED),
        Status::Ok | Status::Partial | Status::Error | Status::Suspect => false,
    }
}

/// Decides about an input whose consumer died: among few, then alone in the suspects queue, or dead.
pub(crate) fn suspected(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
) {
    let suspected = outcome.suspected + 1;
    if suspected > cx.suspicions {
        let how = cx.exit.map_or_else(String::new, |exit| {
            let memory = if exit.out_of_memory { ", out of memory" } else { "" };
            format!(" (exit code {}{memory})", exit.code)
        });
        let text = format!("its container died {suspected} times while it was being processed{how}");
        let error = ErrorInfo::new("container_died", &text, false);
        effects.count(id, |counters| counters.failed += 1);
        let outcome = Outcome { suspected, ..outcome.clone() };
        return last(cx, effects, id, &outcome, (error, DeadReason::Crashed));
    }
    effects.count(id, |counters| counters.retried += 1);
    effects.suspects += 1;
    // A death puts all under suspicion that was delivered, nearly all of it innocent. So the first time it runs again
    // among few; what dies again is run alone, one at a time.
    let (target, company) = if suspected == 1 {
        (Target::Lane(step.lane.clone()), FEW)
    } else {
        (Target::Suspects(step.deployment.id), ALONE)
    };
    let record = envelope(outcome, outcome.attempt, suspected);
    effects.sends.push(Send { target, id: outcome.input, record, company });
}

struct Again {
    delay: Duration,
    attempt: u32,
    error: Option<ErrorInfo>,
}

/// Sends an input again, through the retry tiers when there is a delay.
fn again(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
    again: Again,
) {
    let record = envelope(outcome, again.attempt, outcome.suspected);
    let lane = step.lane.clone();
    let send = match Tier::for_rest(again.delay) {
        None => Send { target: Target::Lane(lane), id: outcome.input, record, company: ANY },
        Some(tier) => {
            let wait = i64::try_from(again.delay.as_millis()).unwrap_or(i64::MAX);
            let due = cx.now.timestamp_millis().saturating_add(wait);
            Send {
                target: Target::Retry(tier),
                id: outcome.input,
                record: retry_record(due, lane, outcome.input, record),
                company: ALONE,
            }
        }
    };
    effects.sends.push(send);
    effects.count(id, |counters| counters.retried += 1);
    if let (Some(execution), Some(error)) = (outcome.execution, again.error) {
        let notes = Notes::read(outcome.context.as_deref());
        let run = run_of(cx, (outcome, execution), id, RunStatus::Retrying);
        // An execution that is not sampled shows up in history only once something is final.
        if notes.recorded {
            effects.runs.push(StepRun { error: Some(error), ..run });
        }
    }
}

/// An envelope as it waits in a retry tier.
pub(crate) fn retry_record(
    due: i64,
    lane: sluice_domain::topology::LaneName,
    id: MessageId,
    envelope: Vec<u8>,
) -> Vec<u8> {
    let text = String::from_utf8(envelope).expect("records are JSON, hence UTF-8");
    let envelope = RawValue::from_string(text).expect("records are JSON");
    serde_json::to_vec(&Retry { due, lane, id, envelope }).expect("a retry is plain JSON")
}

/// The envelope of an input that came back.
fn envelope(outcome: &Outcome, attempt: u32, suspected: u32) -> Vec<u8> {
    let nothing = nothing();
    let retained = outcome.retained.as_ref().unwrap_or(&nothing);
    let notes = Notes::read(outcome.context.as_deref());
    EnvelopeRef {
        id: outcome.input,
        step: &outcome.step,
        execution: outcome.execution,
        attempt,
        suspected,
        body: Body::Text(retained.body.get()),
        headers: &retained.headers,
        context: outcome.context.as_deref(),
        state: notes.cursor.as_ref(),
        traceparent: outcome.traceparent.as_deref(),
    }
    .to_record()
}

/// What stands in for an input that a component did not send back.
fn nothing() -> Retained {
    Retained {
        body: RawValue::from_string("null".to_owned()).expect("null is JSON"),
        headers: Headers::new(),
    }
}

fn last(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    step: &StepId,
    outcome: &Outcome,
    (error, reason): (ErrorInfo, DeadReason),
) {
    let nothing = nothing();
    let retained = outcome.retained.as_ref().unwrap_or(&nothing);
    let notes = Notes::read(outcome.context.as_deref());
    let failed = Failed {
        id: outcome.input,
        body: Cow::Borrowed(&retained.body),
        headers: &retained.headers,
        execution: outcome.execution,
        notes: &notes,
        error,
        reason,
        attempts: outcome.attempt,
        suspected: outcome.suspected,
        trace: trace::of_run(outcome),
    };
    effects.balance -= 1;
    give_up(cx, effects, step, failed);
}

/// Sends an input that failed for good down the error route, or keeps it as a dead letter.
pub(crate) fn give_up(cx: &mut Cx<'_>, effects: &mut Effects, at: &StepId, failed: Failed<'_>) {
    let Some(step) = cx.live.compiled.steps.get(at) else { return };
    let handled = match &step.on_error {
        ErrorRoute::DeadLetter => false,
        ErrorRoute::Continue => pass_on(cx, effects, (at, step), &failed),
        ErrorRoute::To(target) => hand_over(cx, effects, (at, target), &failed),
    };
    let status = if handled { RunStatus::Handled } else { RunStatus::Dead };
    if let Some(execution) = failed.execution {
        let text = failed.body.get().to_owned();
        effects.runs.push(StepRun {
            attempt: failed.attempts,
            input: Some(pass::recorded(text, cx.recorded_bytes)),
            context: failed.notes.write().map(|raw| raw.get().to_owned()),
            error: Some(failed.error.clone()),
            ..pass::run(cx, (failed.id, execution), at, status)
        });
    }
    if !handled {
        effects.count(at, |counters| counters.dead += 1);
        if let Some(execution) = failed.execution.filter(|_| cx.live.answers()) {
            effects.answers.push((execution, Answered::Failed));
        }
        let letter = letter(cx, at, failed);
        effects.dead.push(letter);
    }
}

/// `on_error: continue`: the input goes on as if the step had emitted it.
fn pass_on(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (at, step): (&StepId, &CompiledStep),
    failed: &Failed<'_>,
) -> bool {
    let next = step.next.get(&Port::default()).cloned().unwrap_or_default();
    let from = format!("{at}:continue");
    let message = Message {
        origin: Origin::Output { input: failed.id, from: &from, output: 0 },
        execution: failed.execution,
        body: &failed.body,
        headers: failed.headers,
        notes: failed.notes,
        trace: failed.trace,
    };
    for to in &next {
        pass::pass(cx, effects, to, &message);
    }
    true
}

/// `on_error: { to }`: another step gets the error and the input. False when that is not possible.
fn hand_over(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (at, target): (&StepId, &StepId),
    failed: &Failed<'_>,
) -> bool {
    let error = json!({
        "code": failed.error.code,
        "message": failed.error.message,
        "step": at,
        "attempts": failed.attempts,
    });
    let Ok(error) = serde_json::value::to_raw_value(&error) else { return false };
    let body = format!(r#"{{"error":{},"input":{}}}"#, error.get(), failed.body.get());
    let Ok(body) = RawValue::from_string(body) else { return false };
    let from = format!("{at}:error");
    let message = Message {
        origin: Origin::Output { input: failed.id, from: &from, output: 0 },
        execution: failed.execution,
        body: &body,
        headers: failed.headers,
        notes: failed.notes,
        trace: failed.trace,
    };
    pass::pass(cx, effects, target, &message);
    true
}

fn letter(cx: &Cx<'_>, at: &StepId, failed: Failed<'_>) -> DeadLetter {
    DeadLetter {
        id: DeadLetter::id_of(failed.id, failed.attempts, failed.suspected),
        message: failed.id,
        execution: failed.execution,
        step: Some(cx.live.compiled.address(at)),
        reason: failed.reason,
        error: failed.error,
        attempts: failed.attempts,
        suspected: failed.suspected,
        exit: cx.exit.filter(|_| failed.reason == DeadReason::Crashed),
        body: failed.body.get().to_owned(),
        headers: failed.headers.clone(),
        context: failed.notes.write().map(|raw| raw.get().to_owned()),
        state: DeadLetterState::Waiting,
        redrives: 0,
        created_at: cx.now,
        updated_at: cx.now,
    }
}

fn error_of(outcome: &Outcome) -> ErrorInfo {
    match &outcome.error {
        Some(error) => ErrorInfo {
            retry_after: error.retry_after,
            ..ErrorInfo::new(&error.code, &error.message, error.retryable)
        },
        None => ErrorInfo::new("unspecified", "the component gave no reason", false),
    }
}

fn run_of(
    cx: &Cx<'_>,
    (outcome, execution): (&Outcome, ExecutionId),
    step: &StepId,
    status: RunStatus,
) -> StepRun {
    StepRun {
        attempt: outcome.attempt,
        micros: outcome.micros,
        ..pass::run(cx, (outcome.input, execution), step, status)
    }
}
