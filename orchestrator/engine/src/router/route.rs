//! Routing one outcome: the pure heart of the engine.
//!
//! Nothing here reads a clock, draws a number or talks to anybody. The same outcome gives the same ids, whoever routes
//! it and how often.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluice_domain::compiled::{Carry, CompiledStep};
use sluice_domain::{RunStatus, StepId, StepRun};
use sluice_protocol::gateway::Role;
use sluice_protocol::{ExecutionId, Outcome, Output, Status, TraceContext};

use super::effects::{Effects, TickEnd};
use super::emitted::Part;
use super::failure;
use super::notes::{Earlier, Notes};
use super::pass::{self, Cx, Message, Origin};
use super::record::Replay;
use super::trace;

/// Everything that follows from an outcome of step `id`.
pub(crate) fn route(cx: &mut Cx<'_>, id: &StepId, outcome: &Outcome) -> Effects {
    let mut effects = Effects::default();
    let live = cx.live;
    let Some(step) = live.compiled.steps.get(id) else { return effects };
    effects.count(id, |counters| counters.micros += outcome.micros);
    if outcome.status != Status::Partial && matches!(step.role, Role::Action | Role::Polling) {
        effects.ended = Some(outcome.micros);
    }
    match outcome.status {
        Status::Ok | Status::Partial => done(cx, &mut effects, (id, step), outcome),
        Status::Error | Status::Rebound | Status::Parked | Status::Suspect if outcome.retained.is_none() => {
            failure::without_input(cx, &mut effects, id, outcome);
        }
        Status::Error => failure::failed(cx, &mut effects, (id, step), outcome),
        Status::Rebound => failure::rebound(cx, &mut effects, (id, step), outcome),
        Status::Parked => failure::parked(cx, &mut effects, (id, step), outcome),
        Status::Suspect => failure::suspected(cx, &mut effects, (id, step), outcome),
    }
    // A trigger's outputs are recorded one by one: each begins an execution.
    if step.role == Role::Action && is_recorded_part(outcome) {
        effects.emitted = Some(Part::of(cx, outcome));
    }
    trace::end(cx, &mut effects, (id, step), outcome);
    if step.role == Role::Polling {
        end_tick(cx, &mut effects, id, outcome);
    }
    effects
}

/// Whether an outcome tells a part of a run that history records in full.
fn is_recorded_part(outcome: &Outcome) -> bool {
    let is_part = outcome.status == Status::Partial || outcome.offset > 0;
    is_part && outcome.execution.is_some() && Notes::read(outcome.context.as_deref()).recorded
}

/// Everything that follows from an operator's replay of a message to step `id`.
pub(crate) fn replay(cx: &mut Cx<'_>, id: &StepId, replay: &Replay) -> Effects {
    let mut effects = Effects::default();
    let trace = trace::of_replay(cx, &mut effects, id, replay);
    let notes = Notes { recorded: true, ..Notes::read(replay.context.as_deref()) };
    let message = Message {
        origin: Origin::Known(replay.id),
        execution: replay.execution,
        body: &replay.body,
        headers: &replay.headers,
        notes: &notes,
        trace,
    };
    if replay.gated {
        pass::pass(cx, &mut effects, id, &message);
    } else {
        pass::send_past_gate(cx, &mut effects, id, &message);
    }
    effects
}

/// Passes the outputs on.
fn done(cx: &mut Cx<'_>, effects: &mut Effects, (id, step): (&StepId, &CompiledStep), outcome: &Outcome) {
    let is_trigger = step.role != Role::Action;
    let mut notes = Notes::read(outcome.context.as_deref());
    notes.cursor = None;
    if is_trigger {
        notes = Notes { recorded: cx.sampled, ..Notes::default() };
    }
    let outputs = &outcome.outputs;
    let run = trace::of_run(outcome);
    for (index, output) in outputs.iter().enumerate() {
        let number = outcome.offset + index as u64;
        let execution = if is_trigger { Some(outcome.input.execution(number)) } else { outcome.execution };
        if is_trigger && let Some(execution) = execution {
            note_trigger(cx, effects, (id, outcome, number), (output, execution, notes.recorded));
        }
        let trace = match execution.filter(|_| is_trigger) {
            Some(execution) => trace::of_trigger(cx, effects, (id, step), outcome, (number, execution)),
            None => run,
        };
        emit(cx, effects, (id, step), (outcome, output, number), (execution, &notes, trace));
    }
    effects.count(id, |counters| counters.emitted += outputs.len() as u64);
    if outcome.status == Status::Ok {
        effects.count(id, |counters| counters.succeeded += 1);
        if !matches!(step.role, Role::Listener | Role::Webhook) {
            effects.balance -= 1;
        }
        if !is_trigger
            && notes.recorded
            && let Some(execution) = outcome.execution
        {
            let run = StepRun {
                attempt: outcome.attempt,
                micros: outcome.micros,
                output: Some(pass::recorded(outputs_text(outputs), cx.recorded_bytes)),
                ..pass::run(cx, (outcome.input, execution), id, RunStatus::Succeeded)
            };
            effects.runs.push(run);
        }
    }
    if is_trigger && !outputs.is_empty() {
        effects.count(id, |counters| counters.received += 1);
    }
}

/// Sends one output to the steps behind its port.
fn emit(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    (outcome, output, number): (&Outcome, &Output, u64),
    (execution, notes, trace): (Option<ExecutionId>, &Notes, Option<TraceContext>),
) {
    let Some(next) = step.next.get(&output.port) else { return };
    let with_this = if needed(cx, id, next) { Some(with_output(notes, id, output)) } else { None };
    let from = format!("{id}:{}", output.port);
    let message = Message {
        origin: Origin::Output { input: outcome.input, from: &from, output: number },
        execution,
        body: &output.body,
        headers: &output.headers,
        notes: with_this.as_ref().unwrap_or(notes),
        trace,
    };
    for to in next {
        pass::pass(cx, effects, to, &message);
    }
}

/// Whether the gates behind this output, or the steps behind those, read `steps.<id>`.
fn needed(cx: &Cx<'_>, id: &StepId, next: &[StepId]) -> bool {
    next.iter().any(|to| {
        let carried = cx.live.compiled.steps.get(to).is_some_and(|step| match &step.carries {
            Carry::All => true,
            Carry::Only(steps) => steps.contains(id),
        });
        carried || cx.live.reads_step(to, id)
    })
}

fn with_output(notes: &Notes, id: &StepId, output: &Output) -> Notes {
    let body: Value = serde_json::from_str(output.body.get()).unwrap_or(Value::Null);
    let mut notes = notes.clone();
    notes.steps.insert(id.clone(), Earlier { body, headers: output.headers.clone() });
    notes
}

/// A trigger's part in the execution that its output starts.
fn note_trigger(
    cx: &Cx<'_>,
    effects: &mut Effects,
    (id, outcome, number): (&StepId, &Outcome, u64),
    (output, execution, recorded): (&Output, ExecutionId, bool),
) {
    if !recorded {
        return;
    }
    let message = outcome.input.child("trigger", number, 0);
    effects.runs.push(StepRun {
        micros: outcome.micros,
        output: Some(pass::recorded(outputs_text(std::slice::from_ref(output)), cx.recorded_bytes)),
        ..pass::run(cx, (message, execution), id, RunStatus::Succeeded)
    });
}

/// Outputs as a JSON list.
fn outputs_text(outputs: &[Output]) -> String {
    format!("[{}]", items_text(outputs))
}

/// Outputs as the items of a JSON list.
pub(crate) fn items_text(outputs: &[Output]) -> String {
    let mut text = String::new();
    for (index, output) in outputs.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let headers: &RawValue =
            &serde_json::value::to_raw_value(&output.headers).expect("headers are plain JSON");
        let port = json!(output.port);
        text +=
            &format!(r#"{comma}{{"port":{port},"headers":{},"body":{}}}"#, headers.get(), output.body.get());
    }
    text
}

/// A tick ends with its last outcome: when it was done, and when nothing more will come of it.
fn end_tick(cx: &Cx<'_>, effects: &mut Effects, id: &StepId, outcome: &Outcome) {
    let over = match outcome.status {
        Status::Ok => true,
        Status::Partial => false,
        Status::Error | Status::Rebound | Status::Parked | Status::Suspect => {
            effects.sends.iter().all(|send| send.id != outcome.input)
        }
    };
    if over {
        let cursor = outcome.state.clone().filter(|_| outcome.status == Status::Ok);
        effects.tick =
            Some(TickEnd { flow: cx.live.compiled.id, step: id.clone(), tick: outcome.input, cursor });
    }
}
