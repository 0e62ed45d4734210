//! Passing a message through a step's gate: condition, split, mapping, and on to the step's lane.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sluice_domain::compiled::CompiledStep;
use sluice_domain::{DeadReason, ExitInfo, RecordedBody, RunStatus, StepId, StepRun};
use sluice_mapping::{EvalError, Evaluator, Root};
use sluice_ports::broker::Target;
use sluice_protocol::gateway::Role;
use sluice_protocol::{ErrorInfo, ExecutionId, Headers, MessageId, Port, TraceContext, limits};

use super::effects::{ANY, Effects, Send};
use super::failure::{self, Failed};
use super::notes::{Earlier, Notes};
use super::record::{Body, EnvelopeRef};
use super::trace::{self, Share};
use crate::replies::{Answered, Reply};
use crate::table::{LiveFlow, LiveGate};

/// What routing needs besides the outcome.
pub(crate) struct Cx<'a> {
    pub(crate) live: &'a LiveFlow,
    pub(crate) evaluator: &'a mut Evaluator,
    pub(crate) now: DateTime<Utc>,
    /// Most bytes of a body that history keeps.
    pub(crate) recorded_bytes: usize,
    /// How often a message's consumer may die.
    pub(crate) suspicions: u32,
    /// How the containers of the outcome's deployment last ended.
    pub(crate) exit: Option<ExitInfo>,
    /// Whether history records a new execution.
    pub(crate) sampled: bool,
    /// Which executions are traced.
    pub(crate) traced: Share,
}

/// A message on its way to a step.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    /// The id that the ids of what comes of it are derived from, and how.
    pub(crate) origin: Origin<'a>,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) body: &'a RawValue,
    pub(crate) headers: &'a Headers,
    /// The notes, the output of the step that emitted it included.
    pub(crate) notes: &'a Notes,
    /// The span that it comes from.
    pub(crate) trace: Option<TraceContext>,
}

/// Where a message's id comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// It is an output of a step run.
    Output { input: MessageId, from: &'a str, output: u64 },
    /// It has an id already: an operator sent it again.
    Known(MessageId),
}

impl Origin<'_> {
    fn id(&self, to: &StepId, item: u64) -> MessageId {
        match self {
            Self::Output { input, from, output } => input.child(&format!("{from}>{to}"), *output, item),
            Self::Known(id) if item == 0 => *id,
            Self::Known(id) => id.child(to.as_str(), 0, item),
        }
    }
}

/// Passes a message through the gate of `to` and sends what comes out.
pub(crate) fn pass(cx: &mut Cx<'_>, effects: &mut Effects, to: &StepId, message: &Message<'_>) {
    let live = cx.live;
    let Some(step) = live.compiled.steps.get(to) else { return };
    let gate = live.gate(to);
    let plain = gate.when.is_none() && gate.split.is_none() && gate.input.is_none();
    if plain {
        send(cx, effects, (to, step), message, (0, Body::Text(message.body.get())));
        return;
    }
    match evaluate(cx, gate, message) {
        Ok(None) => effects.count(to, |counters| counters.filtered += 1),
        Ok(Some(bodies)) => {
            for (item, body) in bodies.iter().enumerate() {
                send(cx, effects, (to, step), message, (item as u64, body.as_ref()));
            }
        }
        Err(error) => {
            let error = ErrorInfo::new("mapping_failed", &error.to_string(), false);
            spoil(cx, effects, to, message, (message.origin.id(to, 0), error));
        }
    }
}

/// A body that came out of a gate.
enum Passed {
    Text(String),
    Value(Value),
}

impl Passed {
    fn as_ref(&self) -> Body<'_> {
        match self {
            Self::Text(text) => Body::Text(text),
            Self::Value(value) => Body::Value(value),
        }
    }
}

/// The bodies that come out of a gate; none when its condition is false.
fn evaluate(
    cx: &mut Cx<'_>,
    gate: &LiveGate,
    message: &Message<'_>,
) -> Result<Option<Vec<Passed>>, EvalError> {
    if let (None, None, Some(mapping)) = (&gate.when, &gate.split, &gate.input)
        && let Some(text) = cx.evaluator.map_text(mapping, message.body.get())
    {
        return text.map(|text| Some(vec![Passed::Text(text)]));
    }
    let mut document = document(cx, gate, message);
    let root = Root::new(&document);
    if let Some(when) = &gate.when
        && !cx.evaluator.truthy(when, &root)?
    {
        return Ok(None);
    }
    let Some(split) = &gate.split else {
        let body = match &gate.input {
            Some(mapping) => cx.evaluator.map(mapping, &root)?,
            None => document["body"].take(),
        };
        return Ok(Some(vec![Passed::Value(body)]));
    };
    let items = cx.evaluator.items(split, &root)?;
    let Some(mapping) = &gate.input else {
        return Ok(Some(items.into_iter().map(Passed::Value).collect()));
    };
    let mut bodies = Vec::with_capacity(items.len());
    for item in items {
        document["item"] = item;
        bodies.push(Passed::Value(cx.evaluator.map(mapping, &Root::new(&document))?));
    }
    Ok(Some(bodies))
}

/// The document that the expressions of a gate read, without what they do not.
fn document(cx: &Cx<'_>, gate: &LiveGate, message: &Message<'_>) -> Value {
    let (flow, reads) = (&cx.live.compiled, &gate.reads);
    let mut root = Map::with_capacity(8);
    // Without a mapping the body is what goes on, whoever reads it.
    if reads.body || gate.input.is_none() {
        root.insert("body".to_owned(), serde_json::from_str(message.body.get()).unwrap_or(Value::Null));
    }
    let mut put = |name: &str, value: &dyn Fn() -> Value| {
        if reads.reads(name) {
            root.insert(name.to_owned(), value());
        }
    };
    put("headers", &|| Value::Object(message.headers.clone()));
    put("item", &|| Value::Null);
    put("steps", &|| {
        let steps = message.notes.steps.iter();
        let output = |earlier: &Earlier| json!({ "body": earlier.body, "headers": earlier.headers });
        Value::Object(steps.map(|(id, earlier)| (id.to_string(), output(earlier))).collect())
    });
    put("params", &|| flow.params.clone());
    put("flow", &|| json!({ "id": flow.id, "name": flow.name, "version": flow.version }));
    put("execution", &|| json!({ "id": message.execution }));
    put("attempt", &|| Value::from(1));
    Value::Object(root)
}

/// Sends one body to a step's lane.
fn send(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (to, step): (&StepId, &CompiledStep),
    message: &Message<'_>,
    (item, body): (u64, Body<'_>),
) {
    let id = message.origin.id(to, item);
    if step.role == Role::Respond {
        return respond(cx, effects, (to, step), message, (id, body));
    }
    let Some(key) = cx.live.key(to) else { return };
    let notes = message.notes.for_step(&step.carries);
    let context = notes.write();
    let traceparent = trace::of_message(cx, effects, (to, id), message);
    let envelope = EnvelopeRef {
        id,
        step: key,
        execution: message.execution,
        attempt: 1,
        suspected: 0,
        body,
        headers: message.headers,
        context: context.as_deref(),
        state: None,
        traceparent: traceparent.as_deref(),
    };
    let record = envelope.to_record();
    if record.len() > limits::RECORD_BYTES {
        refuse(cx, effects, to, message, (id, record.len()));
        return;
    }
    effects.count(to, |counters| counters.received += 1);
    effects.balance += 1;
    if notes.recorded
        && let Some(execution) = message.execution
    {
        effects.runs.push(StepRun {
            input: Some(recorded(body.text(), cx.recorded_bytes)),
            context: context.map(|raw| raw.get().to_owned()),
            ..run(cx, (id, execution), to, RunStatus::Queued)
        });
    }
    effects.sends.push(Send { target: Target::Lane(step.lane.clone()), id, record, company: ANY });
}

/// Answers the request that began the execution, and passes the message on unchanged.
fn respond(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    (to, step): (&StepId, &CompiledStep),
    message: &Message<'_>,
    (id, body): (MessageId, Body<'_>),
) {
    effects.count(to, |counters| counters.received += 1);
    let read = match body {
        Body::Value(value) => Reply::read(value),
        Body::Text(text) => Reply::read(&serde_json::from_str(text).unwrap_or_default()),
    };
    let reply = match read {
        Ok(reply) => reply,
        Err(reason) => {
            let error = ErrorInfo::new("answer_invalid", &format!("this is no answer: {reason}"), false);
            return spoil(cx, effects, to, message, (id, error));
        }
    };
    effects.count(to, |counters| counters.succeeded += 1);
    if let Some(execution) = message.execution {
        effects.answers.push((execution, Answered::Reply(reply)));
        if message.notes.recorded {
            effects.runs.push(StepRun {
                input: Some(recorded(body.text(), cx.recorded_bytes)),
                ..run(cx, (id, execution), to, RunStatus::Succeeded)
            });
        }
    }
    let from = format!("{to}:{}", Port::default());
    let origin = Origin::Output { input: id, from: &from, output: 0 };
    for next in step.next.get(&Port::default()).into_iter().flatten() {
        pass(cx, effects, next, &Message { origin, ..message.clone() });
    }
}

fn refuse(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    to: &StepId,
    message: &Message<'_>,
    (id, size): (MessageId, usize),
) {
    let text = format!("the message has {size} bytes; a message may have {}", limits::RECORD_BYTES);
    spoil(cx, effects, to, message, (id, ErrorInfo::new("message_too_large", &text, false)));
}

/// Gives up a message that its own content keeps from going on.
fn spoil(
    cx: &mut Cx<'_>,
    effects: &mut Effects,
    to: &StepId,
    message: &Message<'_>,
    (id, error): (MessageId, ErrorInfo),
) {
    let failed = Failed {
        id,
        body: Cow::Borrowed(message.body),
        headers: message.headers,
        execution: message.execution,
        notes: message.notes,
        error,
        reason: DeadReason::Mapping,
        attempts: 1,
        suspected: 0,
        trace: message.trace,
    };
    effects.count(to, |counters| counters.failed += 1);
    failure::give_up(cx, effects, to, failed);
}

/// A step run that says nothing but how it stands.
pub(crate) fn run(
    cx: &Cx<'_>,
    (id, execution): (MessageId, ExecutionId),
    step: &StepId,
    status: RunStatus,
) -> StepRun {
    StepRun {
        id,
        execution,
        flow: cx.live.compiled.id,
        version: cx.live.compiled.version,
        step: step.clone(),
        status,
        attempt: 1,
        input: None,
        output: None,
        context: None,
        error: None,
        micros: 0,
        at: cx.now,
    }
}

/// A body as history keeps it.
pub(crate) fn recorded(mut text: String, most: usize) -> RecordedBody {
    let bytes = text.len() as u64;
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    RecordedBody { text, bytes }
}

/// Sends a body to a step as it is, past the step's gate.
pub(crate) fn send_past_gate(cx: &mut Cx<'_>, effects: &mut Effects, to: &StepId, message: &Message<'_>) {
    if let Some(step) = cx.live.compiled.steps.get(to) {
        send(cx, effects, (to, step), message, (0, Body::Text(message.body.get())));
    }
}
