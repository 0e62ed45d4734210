//! The spans of an execution: one trace, from the trigger's message to the last run.
//!
//! The trace of an execution has the bits of its id, unless a webhook came with a trace of its own. A trigger's output is the
//! first span. Each message to a step is a span for its sending, known as soon as it is sent, and each attempt at it is one
//! below that, known when its outcome is. So a run that goes on shows as a sending without a run. All ids follow from those
//! of messages: the same outcome gives the same spans, whoever routes it and how often.

use chrono::TimeDelta;
use sluice_domain::StepId;
use sluice_domain::compiled::CompiledStep;
use sluice_ports::{Span, SpanKind, SpanValue};
use sluice_protocol::gateway::Role;
use sluice_protocol::{ExecutionId, MessageId, Outcome, Status, TraceContext};

use super::effects::Effects;
use super::failure;
use super::pass::{Cx, Message};
use super::record::Replay;

/// Attempts have smaller numbers; these are for what is none, but has a span.
const DEATHS: u32 = 1 << 30;
const REPLAYED: u32 = 1 << 31;

/// Which executions are traced: those whose trace ids end in a number below this. `None` when nobody takes spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(Option<u64>);

impl Share {
    /// A share between 0 and 1.
    pub(crate) fn new(share: Option<f64>) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a cast of a float ends at the bounds of the number"
        )]
        Self(share.map(|share| (share * u64::MAX as f64) as u64))
    }

    fn has(self, execution: ExecutionId) -> bool {
        let low = u64::try_from(execution.bits() & u128::from(u64::MAX)).unwrap_or_default();
        self.0.is_some_and(|most| low < most || most == u64::MAX)
    }

    fn is_on(self) -> bool {
        self.0.is_some()
    }
}

/// The span of the run that an outcome is about; none when it is not traced.
pub(crate) fn of_run(outcome: &Outcome) -> Option<TraceContext> {
    let sending: TraceContext = outcome.traceparent.as_deref()?.parse().ok()?;
    Some(sending.of_attempt(outcome.input, outcome.attempt))
}

/// Begins the trace of an execution with the trigger's output that starts it.
pub(crate) fn of_trigger(
    cx: &Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
    (number, execution): (u64, ExecutionId),
) -> Option<TraceContext> {
    let from: Option<TraceContext> = outcome.traceparent.as_deref().and_then(|text| text.parse().ok());
    let begun = || cx.traced.has(execution).then(|| TraceContext::new(execution.bits(), 1, true));
    let message = outcome.input.child("trigger", number, 0);
    let own = from.or_else(begun)?.of_attempt(message, 1);
    let kind = if step.role == Role::Webhook { SpanKind::Server } else { SpanKind::Internal };
    let span = Made { id, message, execution: Some(execution), context: own, parent: from };
    span.push(cx, effects, |span| {
        span.kind = kind;
        span.begin -= micros(outcome);
    });
    Some(own)
}

/// Begins anew where an operator sends a message again.
pub(crate) fn of_replay(
    cx: &Cx<'_>,
    effects: &mut Effects,
    id: &StepId,
    replay: &Replay,
) -> Option<TraceContext> {
    let execution = replay.execution.filter(|execution| cx.traced.has(*execution))?;
    let own = TraceContext::new(execution.bits(), 1, true).of_attempt(replay.id, REPLAYED);
    let span = Made { id, message: replay.id, execution: Some(execution), context: own, parent: None };
    span.push(cx, effects, |span| span.name = "replay".to_owned());
    Some(own)
}

/// The sending of a message to step `to`. Returns what the message carries.
pub(crate) fn of_message(
    cx: &Cx<'_>,
    effects: &mut Effects,
    (to, id): (&StepId, MessageId),
    message: &Message<'_>,
) -> Option<String> {
    let parent = message.trace?;
    let own = parent.of_attempt(id, 0);
    let span = Made { id: to, message: id, execution: message.execution, context: own, parent: Some(parent) };
    span.push(cx, effects, |span| {
        span.name = format!("send {to}");
        span.kind = SpanKind::Producer;
    });
    Some(own.to_string())
}

/// The run that an outcome is about, if that was its last outcome.
pub(crate) fn end(
    cx: &Cx<'_>,
    effects: &mut Effects,
    (id, step): (&StepId, &CompiledStep),
    outcome: &Outcome,
) {
    if step.role != Role::Action || outcome.status == Status::Partial || failure::repeats(outcome) {
        return;
    }
    let Some(sending) = outcome.traceparent.as_deref().and_then(|text| text.parse::<TraceContext>().ok())
    else {
        return;
    };
    // Nothing ran: the container died over it before.
    let died = outcome.status == Status::Suspect;
    let number = if died { DEATHS | outcome.suspected } else { outcome.attempt };
    let made = Made {
        id,
        message: outcome.input,
        execution: outcome.execution,
        context: sending.of_attempt(outcome.input, number),
        parent: Some(sending),
    };
    made.push(cx, effects, |span| {
        span.kind = SpanKind::Consumer;
        span.begin -= micros(outcome);
        span.attributes.push(("attempt", SpanValue::Number(i64::from(outcome.attempt))));
        let how = match outcome.status {
            Status::Ok | Status::Partial => "ok",
            Status::Error => "error",
            Status::Rebound => "rebound",
            Status::Parked => "parked",
            Status::Suspect => "suspect",
        };
        span.attributes.push(("outcome", SpanValue::Text(how.to_owned())));
        span.error = match outcome.status {
            Status::Error => {
                Some(outcome.error.as_ref().map_or("unspecified", |error| error.code.as_str()).to_owned())
            }
            Status::Suspect => Some("container_died".to_owned()),
            Status::Ok | Status::Partial | Status::Rebound | Status::Parked => None,
        };
    });
}

fn micros(outcome: &Outcome) -> TimeDelta {
    // No run may take longer than an hour; what says so lies.
    TimeDelta::microseconds(i64::try_from(outcome.micros.min(3_600_000_000)).unwrap_or(0))
}

/// What a span is made of.
struct Made<'a> {
    id: &'a StepId,
    message: MessageId,
    execution: Option<ExecutionId>,
    context: TraceContext,
    parent: Option<TraceContext>,
}

impl Made<'_> {
    /// Adds the span, if its trace is recorded and somebody takes spans.
    fn push(self, cx: &Cx<'_>, effects: &mut Effects, finish: impl FnOnce(&mut Span)) {
        if !(self.context.is_sampled() && cx.traced.is_on()) {
            return;
        }
        let flow = &cx.live.compiled;
        let text = |value: &dyn std::fmt::Display| SpanValue::Text(value.to_string());
        let mut attributes = vec![
            ("flow.name", text(&flow.name)),
            ("flow.id", text(&flow.id)),
            ("flow.version", text(&flow.version)),
            ("step.id", text(self.id)),
            ("message.id", text(&self.message)),
        ];
        attributes.extend(self.execution.map(|execution| ("execution.id", text(&execution))));
        let mut span = Span {
            trace: self.context.trace(),
            id: self.context.span(),
            parent: self.parent.map(TraceContext::span),
            name: self.id.to_string(),
            kind: SpanKind::Internal,
            begin: cx.now,
            end: cx.now,
            attributes,
            error: None,
        };
        finish(&mut span);
        effects.spans.push(span);
    }
}

#[cfg(test)]
mod tests;
