//! What must come of a message, worked out from the flow and the component's temper alone. It shares no code with the
//! router: only the compiled flow, the retry policy and the derivation of ids, which are contracts of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sluice_domain::compiled::{CompiledFlow, CompiledStep};
use sluice_domain::{DeadReason, ErrorRoute, FlowId, FlowVersion, RetryDecision, StepAddress, StepId};
use sluice_protocol::{ErrorInfo, MessageId, Outcome, Port, Status};
use sluice_testkit::fakes::MemoryStore;

use crate::deeds::{Deed, Temper};
use crate::process::timeout;
use crate::shape::{TRIGGER, through};

/// Most times that a step may ask for the same input again.
const REBOUNDS: u32 = 100;

/// A message to a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) step: StepAddress,
    pub(crate) body: Value,
    /// The number that its execution's trigger emitted.
    pub(crate) root: Option<i64>,
}

/// How a message ends that no container dies of by accident.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// Its step emits these outputs.
    Done(Vec<(&'static str, Value)>),
    /// Its step gives it up.
    Failed { reason: DeadReason, error: ErrorInfo },
}

/// What must come of messages.
pub(crate) struct Reference {
    temper: Temper,
    store: MemoryStore,
    flows: Mutex<BTreeMap<(FlowId, FlowVersion), Arc<CompiledFlow>>>,
}

impl Reference {
    pub(crate) fn new(temper: Temper, store: MemoryStore) -> Self {
        Self { temper, store, flows: Mutex::default() }
    }

    /// The flow that an address names. Kept, because the engine forgets old versions.
    pub(crate) fn flow(&self, address: &StepAddress) -> Option<Arc<CompiledFlow>> {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.flow, address.version);
        if let Some(known) = flows.get(&key) {
            return Some(known.clone());
        }
        let flow = Arc::new(self.store.kept_version(key.0, key.1)?);
        flows.insert(key, flow.clone());
        Some(flow)
    }

    /// How a message ends, and after how many attempts.
    pub(crate) fn fate(&self, step: &CompiledStep, id: MessageId) -> (Fate, u32) {
        let mut attempt = 1;
        loop {
            let error = match self.temper.deed(id, attempt) {
                Deed::Emit { outputs, .. } => return (Fate::Done(outputs), attempt),
                Deed::Crash => {
                    let error = ErrorInfo::new("container_died", "", false);
                    return (Fate::Failed { reason: DeadReason::Crashed, error }, attempt);
                }
                Deed::Rebound(error) if attempt >= REBOUNDS => {
                    return (Fate::Failed { reason: DeadReason::Exhausted, error }, attempt);
                }
                Deed::Rebound(_) => {
                    attempt += 1;
                    continue;
                }
                Deed::Fail(error) => error,
                Deed::Hang => timeout(),
            };
            let reason = match step.retry.decide(&error, attempt) {
                RetryDecision::After(_) => {
                    attempt += 1;
                    continue;
                }
                RetryDecision::Exhausted => DeadReason::Exhausted,
                RetryDecision::Final => DeadReason::Failed,
            };
            return (Fate::Failed { reason, error }, attempt);
        }
    }

    /// The messages that an output becomes.
    pub(crate) fn behind(
        &self,
        (flow, from): (&CompiledFlow, &StepId),
        (input, number, root): (MessageId, u64, Option<i64>),
        (port, body): (&Port, &Value),
    ) -> Vec<Message> {
        let Some(step) = flow.steps.get(from) else { return Vec::new() };
        let root = if from.as_str() == TRIGGER { body["n"].as_i64() } else { root };
        let next = step.next.get(port).into_iter().flatten();
        let edge = format!("{from}:{port}");
        next.flat_map(|to| passed(flow, to, (input, &edge, number), (body, root))).collect()
    }

    /// The messages that come of an input that its step gave up; nothing when it becomes a dead letter.
    pub(crate) fn given_up(
        &self,
        flow: &CompiledFlow,
        message: &Message,
        (error, attempts): (&ErrorInfo, u32),
    ) -> Option<Vec<Message>> {
        let at = &message.step.step;
        let step = flow.steps.get(at)?;
        match &step.on_error {
            ErrorRoute::DeadLetter => None,
            ErrorRoute::Continue => {
                let edge = format!("{at}:continue");
                let next = step.next.get(&Port::default()).into_iter().flatten();
                let from = (message.id, edge.as_str(), 0);
                Some(next.flat_map(|to| passed(flow, to, from, (&message.body, message.root))).collect())
            }
            ErrorRoute::To(to) => {
                let error =
                    json!({ "code": error.code, "message": error.message, "step": at, "attempts": attempts });
                let body = json!({ "error": error, "input": message.body });
                let edge = format!("{at}:error");
                Some(passed(flow, to, (message.id, &edge, 0), (&body, message.root)))
            }
        }
    }

    /// The messages of which one must be in a queue before an outcome is acknowledged, by id, attempt and suspicions,
    /// or nothing when its input must be a dead letter by then.
    pub(crate) fn owed(&self, outcome: &Outcome) -> Option<Vec<(MessageId, u32, u32)>> {
        let address = StepAddress::try_from(&outcome.step).ok()?;
        let flow = self.flow(&address)?;
        let step = flow.steps.get(&address.step)?;
        let (id, attempt, suspected) = (outcome.input, outcome.attempt, outcome.suspected);
        let failed = |error: &ErrorInfo| {
            let body = outcome.retained.as_ref().map_or(Value::Null, |input| parsed(input.body.get()));
            let root = root_of(outcome.context.as_ref().map(|context| context.get()));
            let message = Message { id, step: address.clone(), body, root };
            Some(fresh(self.given_up(&flow, &message, (error, attempt))?))
        };
        let error = outcome.error.clone().unwrap_or_else(|| ErrorInfo::new("container_died", "", false));
        match outcome.status {
            Status::Ok | Status::Partial => {
                let root = root_of(outcome.context.as_ref().map(|context| context.get()));
                let numbered = outcome.outputs.iter().zip(outcome.offset..);
                let children = numbered.flat_map(|(output, number)| {
                    let body = parsed(output.body.get());
                    self.behind((&flow, &address.step), (id, number, root), (&output.port, &body))
                });
                Some(fresh(children.collect()))
            }
            Status::Error => match step.retry.decide(&error, attempt) {
                RetryDecision::After(_) => Some(vec![(id, attempt + 1, suspected)]),
                RetryDecision::Exhausted | RetryDecision::Final => failed(&error),
            },
            Status::Rebound if error.code == "drained" => Some(vec![(id, attempt, suspected)]),
            Status::Rebound if attempt >= REBOUNDS => failed(&error),
            Status::Rebound => Some(vec![(id, attempt + 1, suspected)]),
            Status::Parked => Some(vec![(id, attempt, suspected)]),
            Status::Suspect if suspected >= 3 => failed(&error),
            Status::Suspect => Some(vec![(id, attempt, suspected + 1)]),
        }
    }
}

fn fresh(messages: Vec<Message>) -> Vec<(MessageId, u32, u32)> {
    messages.into_iter().map(|message| (message.id, 1, 0)).collect()
}

/// The messages that come out of the gate of `to`.
fn passed(
    flow: &CompiledFlow,
    to: &StepId,
    (input, edge, number): (MessageId, &str, u64),
    (body, root): (&Value, Option<i64>),
) -> Vec<Message> {
    let Some(step) = flow.steps.get(to) else { return Vec::new() };
    let edge = format!("{edge}>{to}");
    let bodies = through(&step.gate, body, root).into_iter().zip(0..);
    let message =
        |(body, item)| Message { id: input.child(&edge, number, item), step: flow.address(to), body, root };
    bodies.map(message).collect()
}

/// The number of the trigger, from the notes that travel with a message.
pub(crate) fn root_of(context: Option<&str>) -> Option<i64> {
    parsed(context?)["s"][TRIGGER]["b"]["n"].as_i64()
}

pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
