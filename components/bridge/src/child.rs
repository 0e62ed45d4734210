//! The process of a step: what it was given, what it tells, and whose that is.

mod errand;
mod start;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};
use sluice_families::{ALLOWED_HOSTS, EventKind, Failure, Family, Input, Place, Step, WireError};
use sluice_sdk::{Context, Error};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::broker::{Broker, Confirm, Happened};
use crate::carry;
use crate::objects::Objects;
use crate::stragglers::Stragglers;

pub(crate) use start::Start;

/// What a run is told of its message.
#[derive(Debug)]
pub(crate) enum Told {
    /// The process published something that belongs to it.
    Event(EventKind, Confirm),
    /// The process published something that belongs to it and leads nowhere, or cannot be read.
    Lost(Error, Confirm),
    /// The message was acknowledged or, if not true, rejected.
    Settled(bool),
}

/// What takes messages that belong to no run any more.
pub(crate) type Late = Box<dyn Fn(EventKind, Confirm) + Send + Sync>;

/// Gives secrets the form in which the component expects them.
pub(crate) type Parse = Box<dyn Fn(Map<String, Value>) -> Map<String, Value> + Send + Sync>;

/// A process that serves a step.
pub(crate) struct Child {
    pub(crate) family: Box<dyn Family>,
    pub(crate) place: Place,
    pub(crate) step: Step,
    /// The config with the settings and secrets of the instance, as the process got them.
    pub(crate) config: Value,
    pub(crate) broker: Broker,
    memory: Mutex<Memory>,
    /// Whose turn it is to have the orchestrator keep the snapshot, of an action. (That of a trigger is its cursor.)
    keeping: Option<tokio::sync::Mutex<()>>,
    runs: Mutex<Runs>,
    /// A run has ended.
    quiet: Notify,
    /// The process is at its end, or is to come to it.
    pub(crate) stop: CancellationToken,
    /// The process has ended.
    pub(crate) ended: CancellationToken,
    how: Mutex<How>,
    late: Late,
    /// Why it could not begin, where it told so.
    begun: Mutex<Option<Failure>>,
    /// What the last run asked with: the process asks for secrets with it.
    asking: Mutex<Option<Context>>,
    secrets: Parse,
    pub(crate) objects: Objects,
    /// What its hook `startup` returned.
    startup: Mutex<Option<Value>>,
    /// The id of the process.
    process: OnceLock<u32>,
    /// What tells of runs whose outputs come after their end.
    pub(crate) stragglers: Stragglers,
    /// What an errand gave.
    result: watch::Sender<Option<Value>>,
}

/// What the step remembers.
struct Memory {
    snapshot: Value,
    /// How often it changed.
    changes: u64,
    /// How many of these changes the orchestrator keeps.
    kept: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Default)]
struct How {
    well: bool,
    text: String,
}

#[derive(Default)]
struct Runs {
    by_delivery: HashMap<String, mpsc::UnboundedSender<Told>>,
    used: Option<Instant>,
}

impl Child {
    /// Ends it once its runs have ended.
    pub(crate) fn leave(self: Arc<Self>) {
        tokio::spawn(async move {
            loop {
                let quiet = self.quiet.notified();
                if self.runs().by_delivery.is_empty() {
                    return self.stop.cancel();
                }
                quiet.await;
            }
        });
    }

    /// Notes what a run asks with.
    pub(crate) fn note(&self, cx: &Context) {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.clone());
    }

    /// The settings and secrets of the instance as they are now; others than the last ones if these were refused.
    ///
    /// # Errors
    /// When they cannot be had.
    pub(crate) async fn credentials(&self, refused: bool) -> Result<Value, Error> {
        let cx = self.asking.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(cx) = cx else { return Err(Error::retryable("no_run", "no run has begun yet")) };
        if refused {
            cx.refresh_credentials().await?;
        }
        let known = cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        Ok(merged(&Value::Null, &known.settings, &(self.secrets)(known.secrets)))
    }

    /// How it ended.
    pub(crate) fn how(&self) -> String {
        self.how.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// The id of the process.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process.get().copied()
    }

    /// What its hook `startup` returned.
    pub(crate) fn startup(&self) -> Option<Value> {
        self.startup.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what its hook `startup` returned, or forgets it.
    pub(crate) fn keep_startup(&self, value: Option<Value>) {
        *self.startup.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// Takes what an errand gave.
    pub(crate) fn gave(&self, result: Value) {
        self.result.send_replace(Some(result));
    }

    /// Whether it may be given messages.
    pub(crate) fn is_alive(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// What the step remembers.
    pub(crate) fn snapshot(&self) -> Value {
        self.memory().snapshot.clone()
    }

    /// Whether it remembers what the orchestrator does not keep yet.
    pub(crate) fn is_unkept(&self) -> bool {
        let memory = self.memory();
        memory.kept != memory.changes
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the orchestrator keep the snapshot of an action, if it has changed. Runs that wait for their turn find it kept.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn keep_snapshot(&self, cx: &Context) -> Result<(), Error> {
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let _turn = keeping.lock().await;
        if !self.is_unkept() {
            return Ok(());
        }
        let (snapshot, changes) = {
            let memory = self.memory();
            (memory.snapshot.clone(), memory.changes)
        };
        cx.put_state(&snapshot).await?;
        self.memory().kept = changes;
        Ok(())
    }

    /// Has the orchestrator keep a snapshot that came after the run that it is of.
    fn keep_late(self: &Arc<Self>) {
        let cx = self.asking.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(cx) = cx.filter(|_| self.keeping.is_some()) else { return };
        let child = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = child.keep_snapshot(&cx).await {
                warn!(step.id = child.step.step, %error, "a late snapshot is not kept yet");
            }
        });
    }

    /// Since when it has had no run; none while it has one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let runs = self.runs();
        runs.by_delivery.is_empty().then_some(runs.used).flatten()
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the process a message. What becomes of it comes by the receiver.
    ///
    /// # Errors
    /// When the input cannot be said in the family's words.
    pub(crate) fn deliver(self: &Arc<Self>, input: &Input<'_>) -> Result<Run, WireError> {
        let message = self.family.encode(&self.place, &self.step, input)?;
        let (teller, told) = mpsc::unbounded_channel();
        let mut runs = self.runs();
        runs.used = Some(Instant::now());
        runs.by_delivery.insert(input.delivery.to_owned(), teller);
        drop(runs);
        self.broker.deliver(input.delivery, message);
        Ok(Run { child: Arc::clone(self), delivery: input.delivery.to_owned(), told })
    }

    fn take(self: &Arc<Self>, happened: Happened) {
        match happened {
            Happened::Consuming => {}
            Happened::Settled { delivery, done } => {
                if let Some(run) = self.runs().by_delivery.get(&delivery) {
                    run.send(Told::Settled(done)).ok();
                }
            }
            Happened::Published(publication, confirm) => {
                match self.family.decode(&self.place, &publication) {
                    Ok(event) => self.pass(event.delivery.as_deref(), event.kind, confirm),
                    Err(error) => self.lost(publication.text("parentMessageId"), &error, confirm),
                }
            }
        }
    }

    /// What takes the messages of a delivery.
    fn run(&self, delivery: Option<&str>) -> Option<mpsc::UnboundedSender<Told>> {
        let runs = self.runs();
        let named = delivery.and_then(|delivery| runs.by_delivery.get(delivery));
        // Old libraries do not say what a message belongs to.
        let only =
            || runs.by_delivery.values().next().filter(|_| delivery.is_none() && runs.by_delivery.len() == 1);
        named.or_else(only).cloned()
    }

    fn pass(self: &Arc<Self>, delivery: Option<&str>, kind: EventKind, confirm: Confirm) {
        if let EventKind::Snapshot { value, merge } = kind {
            self.remember(value, merge);
            if self.runs().by_delivery.is_empty() {
                self.keep_late();
            }
            return confirm.taken();
        }
        if kind == EventKind::Nothing {
            return confirm.taken();
        }
        match self.run(delivery) {
            Some(run) => {
                if let Err(mpsc::error::SendError(Told::Event(kind, confirm))) =
                    run.send(Told::Event(kind, confirm))
                {
                    self.too_late(kind, confirm);
                }
            }
            None => {
                if let EventKind::Failed(failure) = &kind {
                    *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
                }
                self.too_late(kind, confirm);
            }
        }
    }

    /// Passes on what belongs to no run.
    fn too_late(&self, mut kind: EventKind, confirm: Confirm) {
        self.stragglers.came();
        if let EventKind::Data { body, headers } = &mut kind
            && let Err(error) = carry::pack(self, body, headers)
        {
            tracing::error!(step.id = self.step.step, %error, "a late message is lost");
            return confirm.taken();
        }
        (self.late)(kind, confirm);
    }

    /// A message that cannot be passed on fails its run: it would be missing. It is taken, or would be published again for
    /// ever.
    fn lost(&self, delivery: Option<&str>, error: &WireError, confirm: Confirm) {
        warn!(step.id = self.step.step, %error, "a message of the component cannot be passed on");
        let code = match error {
            WireError::Key(_) => "unknown_routing_key",
            WireError::Cipher(_) | WireError::Json(_) | WireError::Token { .. } => "unreadable_message",
        };
        let text = format!("the component published a message that cannot be passed on: {error}");
        match self.run(delivery) {
            Some(run) => drop(run.send(Told::Lost(Error::fatal(code, text), confirm))),
            None => confirm.taken(),
        }
    }

    fn remember(&self, value: Value, merge: bool) {
        let mut memory = self.memory();
        let is_known = match (&memory.snapshot, &value) {
            (Value::Object(known), Value::Object(new)) if merge => {
                new.iter().all(|(name, value)| known.get(name) == Some(value))
            }
            (known, new) => known == new,
        };
        if is_known {
            return;
        }
        memory.changes += 1;
        match (memory.snapshot.as_object_mut(), value) {
            (Some(known), Value::Object(new)) if merge => known.extend(new),
            (_, value) => memory.snapshot = value,
        }
    }
}

/// A message that a process was given.
pub(crate) struct Run {
    pub(crate) child: Arc<Child>,
    delivery: String,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut runs = self.child.runs();
        runs.by_delivery.remove(&self.delivery);
        runs.used = Some(Instant::now());
        drop(runs);
        self.child.quiet.notify_waiters();
        self.child.broker.withdraw(&self.delivery);
    }
}

/// The config of a step with the settings and secrets of its instance, those winning.
pub(crate) fn merged(config: &Value, settings: &Map<String, Value>, secrets: &Map<String, Value>) -> Value {
    let mut all = config.as_object().cloned().unwrap_or_default();
    all.extend(settings.clone());
    all.remove(ALLOWED_HOSTS);
    all.extend(secrets.clone());
    Value::Object(all)
}
