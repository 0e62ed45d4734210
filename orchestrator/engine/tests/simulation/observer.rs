//! Sees everything that happens at the broker, in order: keeps what the verdict needs, and checks at each acknowledgement
//! of the router that what follows from the delivery is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sluice_domain::{StepAddress, topology};
use sluice_protocol::{Envelope, MessageId, Outcome, Status, StepKey, batch};
use sluice_testkit::fakes::{Event, EventKind, MemoryStore, Stored, Witness};
use tokio::time::Instant;

use crate::reference::{Message, Reference, parsed, root_of};
use crate::shape::TRIGGER;

/// One sending of one input: its id, attempt and suspicions.
pub(crate) type Sending = (MessageId, u32, u32);
/// What the router knows an outcome by.
type OutcomeKey = (Sending, u64);

/// A run of a function.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) step: StepAddress,
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) suspected: u32,
    pub(crate) body: Value,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    hash: DefaultHasher,
    pub(crate) events: u64,
    /// Everything, if it is written down.
    pub(crate) log: Vec<String>,
    /// The clients that are orchestrators.
    engines: BTreeSet<u64>,
    /// How often each sending was confirmed to an orchestrator.
    confirmed: BTreeMap<Sending, u32>,
    /// How often it had been when it was delivered from the queue of due retries or lost messages.
    before: BTreeMap<Sending, u32>,
    /// The first outcome of each key that an orchestrator took. Others with the same key count as the same.
    first: BTreeMap<OutcomeKey, Outcome>,
    /// What the listener emitted and the broker has, first things first.
    pub(crate) emitted: Vec<Outcome>,
    /// What operators sent again, with whether it still has to pass the gate.
    pub(crate) replayed: Vec<(Message, bool)>,
    pub(crate) runs: Vec<Run>,
    /// Inputs whose success is what the router learned first of a sending of them.
    pub(crate) succeeded: BTreeSet<MessageId>,
    /// How often each message was delivered again from a lane.
    pub(crate) returned: BTreeMap<MessageId, u32>,
    /// The ids in the order in which they came to each lane.
    pub(crate) arrived: BTreeMap<String, Vec<MessageId>>,
    /// Inputs that were sent again though an orchestrator knew of their success. Where processes and publishes get lost
    /// that may be right: the sending may have been decided on before.
    pub(crate) repeated: Vec<String>,
    pub(crate) violations: Vec<String>,
}

/// Sees everything that happens.
pub(crate) struct Observer {
    reference: Arc<Reference>,
    store: MemoryStore,
    begun: Instant,
    /// Whether everything is written down.
    verbose: bool,
    seen: Mutex<Seen>,
}

/// A retry as it waits in a tier.
#[derive(Deserialize)]
struct Retry {
    envelope: Box<RawValue>,
}

/// A message that an operator sends again.
#[derive(Deserialize)]
struct Replay {
    id: MessageId,
    step: StepKey,
    body: Box<RawValue>,
    context: Option<Box<RawValue>>,
    gated: bool,
}

impl Observer {
    pub(crate) fn new(reference: Arc<Reference>, store: MemoryStore, verbose: bool) -> Self {
        Self { reference, store, begun: Instant::now(), verbose, seen: Mutex::default() }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client is an orchestrator, which remembers nothing of what those before it took.
    pub(crate) fn engine(&self, client: u64) {
        let mut seen = self.seen();
        seen.engines.insert(client);
        seen.first.clear();
    }

    /// A function runs.
    pub(crate) fn ran(&self, envelope: &Envelope) {
        let mut seen = self.seen();
        let run = Run {
            step: StepAddress::try_from(&envelope.step).expect("the router writes addresses"),
            id: envelope.id,
            attempt: envelope.attempt,
            suspected: envelope.suspected,
            body: parsed(envelope.body.get()),
        };
        self.note(&mut seen, &format!("run {run:?}"));
        seen.runs.push(run);
    }

    /// Something happened that is no message's.
    pub(crate) fn say(&self, what: &str) {
        self.note(&mut self.seen(), what);
    }

    /// What identifies everything that was seen.
    pub(crate) fn trace(&self) -> u64 {
        self.seen().hash.finish()
    }

    fn note(&self, seen: &mut Seen, what: &str) {
        let at = self.begun.elapsed().as_millis();
        (at, what).hash(&mut seen.hash);
        seen.events += 1;
        if self.verbose {
            seen.log.push(format!("{at:>8} {what}"));
        }
    }

    fn stored(&self, seen: &mut Seen, event: &Event<'_>) {
        if event.queue.starts_with("v1.router.") {
            for record in records(event.message) {
                if event.message.kind != batch::OUTCOMES {
                    seen.replayed.extend(replay(&record));
                } else if let Some(outcome) = outcome(&record)
                    && StepAddress::try_from(&outcome.step).is_ok_and(|step| step.step.as_str() == TRIGGER)
                {
                    seen.emitted.push(outcome);
                }
            }
        } else if event.queue.starts_with(topology::LANE_PREFIX) {
            for (id, attempt, suspected) in records(event.message).iter().filter_map(sending) {
                seen.arrived.entry(event.queue.to_owned()).or_default().push(id);
                let before = suspected.checked_sub(1).map(|before| ((id, attempt, before), u64::MAX));
                let first = before.and_then(|key| seen.first.get(&key));
                if first.is_some_and(|first| first.status == Status::Ok) {
                    seen.repeated.push(format!("{id} was sent again, though its success was known"));
                }
            }
        }
    }

    fn delivered(&self, seen: &mut Seen, event: &Event<'_>) {
        for record in records(event.message) {
            if event.queue.starts_with("v1.router.") {
                if let Some(outcome) = outcome(&record) {
                    let first = seen.first.entry(key(&outcome)).or_insert(outcome);
                    if first.status == Status::Ok {
                        seen.succeeded.insert(first.input);
                    }
                }
            } else if let Some(sending) = sending(&record) {
                if seen.engines.contains(&event.client) {
                    let count = seen.confirmed.get(&sending).copied().unwrap_or(0);
                    seen.before.insert(sending, count);
                } else if event.message.redelivered {
                    *seen.returned.entry(sending.0).or_default() += 1;
                }
            }
        }
    }

    fn acknowledged(&self, seen: &mut Seen, event: &Event<'_>) {
        for record in records(event.message) {
            if event.queue.starts_with("v1.router.") {
                let Some(outcome) = outcome(&record) else { continue };
                let outcome = seen.first.get(&key(&outcome)).unwrap_or(&outcome).clone();
                self.check(seen, &outcome);
            } else if let Some(sending) = sending(&record) {
                let before = seen.before.get(&sending).copied().unwrap_or(0);
                let moved = seen.confirmed.get(&sending).is_some_and(|count| *count > before);
                if !moved && self.store.letters_of(sending.0).is_empty() {
                    let text = format!("{sending:?} of {} was acknowledged before it went on", event.queue);
                    seen.violations.push(text);
                }
            }
        }
    }

    /// Checks that everything that an outcome leads to is stored, now that it is acknowledged.
    fn check(&self, seen: &mut Seen, outcome: &Outcome) {
        let kept = |id: MessageId| !self.store.letters_of(id).is_empty();
        let missing = match self.reference.owed(outcome) {
            None => (!kept(outcome.input)).then(|| "its dead letter".to_owned()),
            Some(owed) => {
                let is_missing = |one: &&Sending| !seen.confirmed.contains_key(one) && !kept(one.0);
                owed.iter().find(is_missing).map(|one| format!("{one:?}"))
            }
        };
        if let Some(missing) = missing {
            let text = format!(
                "the outcome {:?} of {} ({}, {}, {}) was acknowledged before {missing} was stored",
                outcome.status, outcome.step, outcome.input, outcome.attempt, outcome.suspected
            );
            seen.violations.push(text);
        }
    }
}

impl Witness for Observer {
    fn see(&self, event: &Event<'_>) {
        let mut seen = self.seen();
        let Event { kind, client, queue, message } = *event;
        let text = String::from_utf8_lossy(&message.payload);
        self.note(&mut seen, &format!("{kind:?} {client} {queue} {} {text}", message.redelivered));
        let by_engine = seen.engines.contains(&client);
        match kind {
            EventKind::Stored => self.stored(&mut seen, event),
            EventKind::Delivered => self.delivered(&mut seen, event),
            EventKind::Confirmed if by_engine => {
                for sending in records(message).iter().filter_map(sending) {
                    *seen.confirmed.entry(sending).or_default() += 1;
                }
            }
            EventKind::Acknowledged if by_engine => self.acknowledged(&mut seen, event),
            EventKind::Confirmed | EventKind::Acknowledged => {}
        }
    }
}

fn records(message: &Stored) -> Vec<Bytes> {
    batch::decode(&message.payload, message.encoding).unwrap_or_default()
}

fn outcome(record: &Bytes) -> Option<Outcome> {
    serde_json::from_slice(record).ok()
}

fn key(outcome: &Outcome) -> OutcomeKey {
    let repeats = outcome.error.as_ref().is_some_and(|error| error.code == "drained");
    let part = match outcome.status {
        Status::Partial => outcome.offset,
        // The router takes none of these for another one.
        Status::Parked => u64::MAX - 1,
        Status::Rebound if repeats => u64::MAX - 2,
        Status::Ok | Status::Error | Status::Rebound | Status::Suspect => u64::MAX,
    };
    ((outcome.input, outcome.attempt, outcome.suspected), part)
}

/// The sending that an envelope, or a retry that waits, stands for.
fn sending(record: &Bytes) -> Option<Sending> {
    let retry = serde_json::from_slice::<Retry>(record).ok();
    let text = retry.as_ref().map_or(&**record, |retry| retry.envelope.get().as_bytes());
    let envelope: Envelope = serde_json::from_slice(text).ok()?;
    Some((envelope.id, envelope.attempt, envelope.suspected))
}

fn replay(record: &Bytes) -> Option<(Message, bool)> {
    let replay: Replay = serde_json::from_slice(record).ok()?;
    let step = StepAddress::try_from(&replay.step).ok()?;
    let root = root_of(replay.context.as_ref().map(|context| context.get()));
    let body = parsed(replay.body.get());
    Some((Message { id: replay.id, step, body, root }, replay.gated))
}
