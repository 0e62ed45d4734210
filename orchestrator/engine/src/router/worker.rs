//! Worker threads: they take batches apart and route the records, because evaluators belong to one thread.
//!
//! A shard always talks to the same worker, so that its deliveries are routed in order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sluice_domain::topology::{self, LANES};
use sluice_domain::{DeadLetter, DeadLetterState, DeadReason, DeploymentId, ExitInfo, FlowId, StepAddress};
use sluice_mapping::{Evaluator, Limits, WORKER_STACK_BYTES};
use sluice_ports::broker::Delivery;
use sluice_protocol::batch::{self, Encoding};
use sluice_protocol::gateway::Role;
use sluice_protocol::invocation;
use sluice_protocol::{ErrorInfo, Headers, MessageId, Outcome, StepKey};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::effects::Effects;
use super::pass::Cx;
use super::record::{REPLAY, Replay};
use super::route;
use super::trace::Share;
use super::window::Key;
use crate::invocations::Invocations;
use crate::settings::Settings;
use crate::table::{LiveFlow, Snapshot};

/// How containers last ended, by deployment.
pub(crate) type Exits = Arc<Mutex<HashMap<DeploymentId, ExitInfo>>>;

/// A delivery to route.
struct Job {
    delivery: Delivery,
    snapshot: Arc<Snapshot>,
    now: DateTime<Utc>,
    reply: oneshot::Sender<Vec<Routed>>,
}

/// One record of a delivery, routed.
pub(crate) struct Routed {
    /// What it is recognised by when it comes again; none when it was not understood.
    pub(crate) key: Option<Key>,
    /// The flow it belongs to.
    pub(crate) live: Option<Arc<LiveFlow>>,
    /// The address it named.
    pub(crate) address: Option<StepAddress>,
    /// What follows from it.
    pub(crate) effects: Effects,
}

/// The handle to the workers.
#[derive(Clone)]
pub(crate) struct Workers {
    inboxes: Vec<mpsc::Sender<Job>>,
    /// What routes in place where there is no thread to do so.
    in_place: Arc<(Settings, Exits, Invocations, Share)>,
}

thread_local! {
    /// For routing in place.
    static EVALUATOR: RefCell<Evaluator> = RefCell::new(Evaluator::new(Limits::default()));
}

impl Workers {
    /// Starts the threads. They end when the last handle is dropped.
    pub(crate) fn start(
        settings: &Settings,
        exits: &Exits,
        invocations: &Invocations,
        traced: Share,
    ) -> std::io::Result<Self> {
        let mut inboxes = Vec::new();
        for number in 0..settings.workers {
            let (inbox, jobs) = mpsc::channel();
            let worker = (settings.clone(), exits.clone(), invocations.clone());
            std::thread::Builder::new()
                .name(format!("router-{number}"))
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || work(&worker.0, (&worker.1, &worker.2, traced), &jobs))?;
            inboxes.push(inbox);
        }
        let in_place = Arc::new((settings.clone(), exits.clone(), invocations.clone(), traced));
        Ok(Self { inboxes, in_place })
    }

    /// Routes a delivery of a shard. The answer is lost only when the process ends.
    pub(crate) fn submit(
        &self,
        shard: u8,
        delivery: Delivery,
        snapshot: Arc<Snapshot>,
        now: DateTime<Utc>,
    ) -> oneshot::Receiver<Vec<Routed>> {
        let (reply, answer) = oneshot::channel();
        let job = Job { delivery, snapshot, now, reply };
        match usize::from(shard).checked_rem(self.inboxes.len()) {
            // A worker that is gone drops the reply, which the shard sees.
            Some(worker) => drop(self.inboxes[worker].send(job)),
            None => self.work_in_place(job),
        }
        answer
    }

    fn work_in_place(&self, job: Job) {
        let (settings, exits, invocations, traced) = &*self.in_place;
        EVALUATOR.with_borrow_mut(|evaluator| {
            let mut samples = Samples::new(settings.recorded_per_second);
            let (traced, samples) = (*traced, &mut samples);
            let mut bench = Bench { settings, exits, invocations, traced, evaluator, samples };
            let routed = bench.take_apart(&job);
            job.reply.send(routed).ok();
        });
    }
}

fn work(
    settings: &Settings,
    (exits, invocations, traced): (&Exits, &Invocations, Share),
    jobs: &mpsc::Receiver<Job>,
) {
    let mut evaluator = Evaluator::new(Limits::default());
    let mut samples = Samples::new(settings.recorded_per_second);
    while let Ok(job) = jobs.recv() {
        let mut bench =
            Bench { settings, exits, invocations, traced, evaluator: &mut evaluator, samples: &mut samples };
        let routed = bench.take_apart(&job);
        job.reply.send(routed).ok();
    }
}

/// What a worker works with.
struct Bench<'a> {
    settings: &'a Settings,
    exits: &'a Exits,
    invocations: &'a Invocations,
    traced: Share,
    evaluator: &'a mut Evaluator,
    samples: &'a mut Samples,
}

impl Bench<'_> {
    fn take_apart(&mut self, job: &Job) -> Vec<Routed> {
        let delivery = &job.delivery;
        let records = Encoding::from_header(delivery.content_encoding.as_deref())
            .and_then(|encoding| batch::decode(&delivery.payload, encoding));
        match records {
            Ok(records) => records.iter().map(|record| self.one(job, record)).collect(),
            Err(error) => vec![malformed(job, &delivery.payload, &error.to_string())],
        }
    }

    fn one(&mut self, job: &Job, record: &Bytes) -> Routed {
        let internal = job.delivery.exchange == LANES;
        if internal && job.delivery.kind.as_deref() == Some(REPLAY) {
            return match serde_json::from_slice::<Replay>(record) {
                Ok(replay) => self.replay(job, &replay),
                Err(error) => malformed(job, record, &error.to_string()),
            };
        }
        match serde_json::from_slice::<Outcome>(record) {
            Ok(outcome) => match invocation::of_step_key(&outcome.step) {
                Some(id) => self.answer(job, id, outcome),
                None => self.outcome(job, &outcome, internal),
            },
            Err(error) => malformed(job, record, &error.to_string()),
        }
    }

    /// Hands the outcome of an invocation to whoever waits for it.
    fn answer(&self, job: &Job, id: MessageId, outcome: Outcome) -> Routed {
        let key = Key::of(&outcome);
        let writer = topology::deployment_of_exchange(&job.delivery.exchange);
        if !self.invocations.deliver(id, writer, outcome) {
            debug!(message.id = %id, "nobody waits for the outcome of an invocation");
        }
        Routed { key, live: None, address: None, effects: Effects::default() }
    }

    fn outcome(&mut self, job: &Job, outcome: &Outcome, internal: bool) -> Routed {
        let Some((address, live)) = find(job, &outcome.step) else { return homeless(job, outcome) };
        let Some(step) = live.compiled.steps.get(&address.step) else { return homeless(job, outcome) };
        let writer = topology::deployment_of_exchange(&job.delivery.exchange);
        if !internal && writer != Some(step.deployment.id) {
            warn!(exchange = job.delivery.exchange, step.id = %address, "a component spoke for a step it does not serve; ignored");
            return Routed { key: None, live: None, address: None, effects: Effects::default() };
        }
        let sampled = step.role != Role::Action && self.samples.take(address.flow);
        let exits = self.exits.lock().unwrap_or_else(PoisonError::into_inner);
        let exit = exits.get(&step.deployment.id).copied();
        drop(exits);
        let mut cx = self.cx(job, &live, exit, sampled);
        let effects = route::route(&mut cx, &address.step, outcome);
        Routed { key: Key::of(outcome), live: Some(live), address: Some(address), effects }
    }

    fn replay(&mut self, job: &Job, replay: &Replay) -> Routed {
        let Some((address, live)) = find(job, &replay.step) else {
            let error = ErrorInfo::new("step_gone", "the step that it was sent to is gone", false);
            let letter = letter(job, replay.id, DeadReason::Unroutable, error, replay.body.get().to_owned());
            let effects = Effects { dead: vec![letter], ..Effects::default() };
            return Routed { key: Some(Key::replay(replay.id)), live: None, address: None, effects };
        };
        let mut cx = self.cx(job, &live, None, true);
        let effects = route::replay(&mut cx, &address.step, replay);
        Routed { key: Some(Key::replay(replay.id)), live: Some(live), address: Some(address), effects }
    }

    fn cx<'b>(&'b mut self, job: &Job, live: &'b LiveFlow, exit: Option<ExitInfo>, sampled: bool) -> Cx<'b> {
        Cx {
            live,
            evaluator: self.evaluator,
            now: job.now,
            recorded_bytes: self.settings.recorded_bytes,
            suspicions: self.settings.suspicions,
            exit,
            sampled,
            traced: self.traced,
        }
    }
}

fn find(job: &Job, key: &StepKey) -> Option<(StepAddress, Arc<LiveFlow>)> {
    let address = StepAddress::try_from(key).ok()?;
    let live = job.snapshot.version_of(&address)?.clone();
    Some((address, live))
}

/// An outcome of a step that is not loaded. What it holds is kept, unless the whole flow was deleted.
fn homeless(job: &Job, outcome: &Outcome) -> Routed {
    let mut effects = Effects::default();
    let address = StepAddress::try_from(&outcome.step).ok();
    let known = address.as_ref().is_some_and(|address| job.snapshot.flows.contains_key(&address.flow));
    if known {
        let body = match &outcome.retained {
            Some(retained) => retained.body.get().to_owned(),
            None => serde_json::to_string(&outcome.outputs).unwrap_or_default(),
        };
        let error = ErrorInfo::new("step_gone", "the version of the flow that it belongs to is gone", false);
        let letter = letter(job, outcome.input, DeadReason::Unroutable, error, body);
        effects.dead.push(DeadLetter { step: address, execution: outcome.execution, ..letter });
    } else {
        warn!(step.id = %outcome.step, "an outcome of a flow that is gone; ignored");
    }
    Routed { key: Key::of(outcome), live: None, address: None, effects }
}

/// A record that was not understood, kept as a dead letter.
fn malformed(job: &Job, record: &Bytes, reason: &str) -> Routed {
    warn!(exchange = job.delivery.exchange, reason, "a record that is not understood");
    let error = ErrorInfo::new("malformed_record", reason, false);
    let id = MessageId::derive("malformed", record);
    let text = String::from_utf8_lossy(&record[..record.len().min(64 * 1024)]).into_owned();
    let body = serde_json::to_string(&text).unwrap_or_default();
    let letter = letter(job, id, DeadReason::Malformed, error, body);
    Routed {
        key: None,
        live: None,
        address: None,
        effects: Effects { dead: vec![letter], ..Effects::default() },
    }
}

fn letter(job: &Job, message: MessageId, reason: DeadReason, error: ErrorInfo, body: String) -> DeadLetter {
    DeadLetter {
        id: DeadLetter::id_of(message, 0, 0),
        message,
        execution: None,
        step: None,
        reason,
        error,
        attempts: 0,
        suspected: 0,
        exit: None,
        body,
        headers: Headers::new(),
        context: None,
        state: DeadLetterState::Waiting,
        redrives: 0,
        created_at: job.now,
        updated_at: job.now,
    }
}

/// Decides which executions history records in full: so many per flow and second.
struct Samples {
    rate: u32,
    flows: HashMap<FlowId, (Instant, u32)>,
}

impl Samples {
    fn new(rate: u32) -> Self {
        Self { rate, flows: HashMap::new() }
    }

    fn take(&mut self, flow: FlowId) -> bool {
        let now = Instant::now();
        let (since, taken) = self.flows.entry(flow).or_insert((now, 0));
        if now.duration_since(*since).as_secs() >= 1 {
            (*since, *taken) = (now, 0);
        }
        *taken += 1;
        *taken <= self.rate
    }
}
