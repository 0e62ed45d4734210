//! What routing an outcome comes to: messages to send and things to store, as values.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::{DeadLetter, FlowId, InstanceName, StepCounters, StepId, StepRun};
use sluice_ports::Span;
use sluice_ports::broker::Target;
use sluice_protocol::{ErrorInfo, ExecutionId, MessageId};

use super::emitted::Part;
use crate::replies::Answered;

/// Everything that follows from one outcome.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Messages to send, in order. All must be confirmed before the outcome is acknowledged.
    pub(crate) sends: Vec<Send>,
    /// Dead letters to keep before the outcome is acknowledged.
    pub(crate) dead: Vec<DeadLetter>,
    /// The end of a tick, to store before the outcome is acknowledged.
    pub(crate) tick: Option<TickEnd>,
    /// Instances that a person has to authorise, as a component found out.
    pub(crate) parked: Vec<Parked>,
    /// Answers to requests that wait for them.
    pub(crate) answers: Vec<(ExecutionId, Answered)>,
    /// What history should know.
    pub(crate) runs: Vec<StepRun>,
    /// What the run emitted while it runs, as far as this outcome tells. History gets it when it ends.
    pub(crate) emitted: Option<Part>,
    /// The spans of executions that are traced.
    pub(crate) spans: Vec<Span>,
    /// What to count, by step.
    pub(crate) counts: Vec<(StepId, StepCounters)>,
    /// How many more messages are under way than before.
    pub(crate) balance: i64,
    /// How many microseconds the run took, if it was of an input from a lane and came to its end.
    pub(crate) ended: Option<u64>,
    /// How many inputs are sent again because their consumer died.
    pub(crate) suspects: u64,
}

/// An instance that the other side refuses until a person authorises it again.
#[derive(Debug, PartialEq)]
pub(crate) struct Parked {
    pub(crate) instance: InstanceName,
    /// When the run began that found out: an authorisation since then is news to it.
    pub(crate) began: DateTime<Utc>,
    pub(crate) error: ErrorInfo,
}

/// One message to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Send {
    /// Where to.
    pub(crate) target: Target,
    /// The message's id.
    pub(crate) id: MessageId,
    /// The record, one line of NDJSON without the line break.
    pub(crate) record: Vec<u8>,
    /// Most records of a publish that carries this one.
    pub(crate) company: usize,
}

/// [`Send::company`] of a record that travels alone.
pub(crate) const ALONE: usize = 1;
/// [`Send::company`] of a record that travels with as many as a publish may carry.
pub(crate) const ANY: usize = usize::MAX;

/// The end of a tick of a polling trigger.
#[derive(Debug, PartialEq)]
pub(crate) struct TickEnd {
    pub(crate) flow: FlowId,
    pub(crate) step: StepId,
    pub(crate) tick: MessageId,
    pub(crate) cursor: Option<Value>,
}

impl Effects {
    /// Adds to the counters of a step.
    pub(crate) fn count(&mut self, step: &StepId, add: impl FnOnce(&mut StepCounters)) {
        add(counters(&mut self.counts, step));
    }
}

/// The counters of a step among those of a few.
pub(crate) fn counters<'c>(
    counts: &'c mut Vec<(StepId, StepCounters)>,
    step: &StepId,
) -> &'c mut StepCounters {
    let at = counts.iter().position(|(known, _)| known == step).unwrap_or_else(|| {
        counts.push((step.clone(), StepCounters::default()));
        counts.len() - 1
    });
    &mut counts[at].1
}
