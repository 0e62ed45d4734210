//! The process of a step: started with a broker and a platform of its own, watched, and ended.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};
use sluice_families::{ALLOWED_HOSTS, Adoption, EventKind, Failure, Family, Input, Place, Step, WireError};
use sluice_sdk::{Context, Error};
use tokio::process::{Child as Process, Command};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::broker::{Broker, Confirm, Happened};
use crate::facade;
use crate::lines::{self, Mask};

/// How long a process may take until it asks for messages.
const READY: Duration = Duration::from_secs(60);
/// How long a process may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// What a run is told of its message.
#[derive(Debug)]
pub(crate) enum Told {
    /// The process published something that belongs to it.
    Event(EventKind, Confirm),
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
    snapshot: Mutex<Value>,
    runs: Mutex<Runs>,
    /// A run has ended.
    quiet: Notify,
    /// The process is at its end, or is to come to it.
    pub(crate) stop: CancellationToken,
    /// The process has ended.
    pub(crate) ended: CancellationToken,
    how: Mutex<String>,
    late: Late,
    /// Why it could not begin, where it told so.
    begun: Mutex<Option<Failure>>,
    /// What the last run asked with: the process asks for secrets with it.
    asking: Mutex<Option<Context>>,
    secrets: Parse,
}

#[derive(Default)]
struct Runs {
    by_delivery: HashMap<String, mpsc::UnboundedSender<Told>>,
    used: Option<Instant>,
}

/// What a process is started with.
pub(crate) struct Start<'a> {
    pub(crate) adoption: &'a Adoption,
    pub(crate) step: Step,
    pub(crate) config: Value,
    pub(crate) snapshot: Value,
    pub(crate) late: Late,
    pub(crate) secrets: Parse,
    /// Texts that must not stand in a log.
    pub(crate) hidden: Vec<String>,
    /// The way out of the container.
    pub(crate) proxy: Option<String>,
}

impl Child {
    /// Starts a process and waits until it asks for messages.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not ask in time. All may be otherwise next time.
    pub(crate) async fn start(start: Start<'_>) -> Result<Arc<Self>, Error> {
        let Start { adoption, step, config, snapshot, late, secrets, mut hidden, proxy } = start;
        let failed = |error: io::Error| Error::retryable("component_not_started", error);
        let (told, mut happened) = mpsc::unbounded_channel();
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (password, key) = (secret(), secret());
        let (broker, port) = Broker::start(password.clone(), told, ended.clone()).await.map_err(failed)?;
        let (listener, api) = facade::listen().await.map_err(failed)?;
        let place = Place {
            // Frames large enough for a config in a header.
            broker: format!("amqp://component:{password}@127.0.0.1:{port}/?frameMax=1048576&heartbeat=300"),
            api: format!("http://127.0.0.1:{api}"),
            access: ("component".to_owned(), key),
            cipher: (secret(), secret().chars().take(16).collect()),
        };
        hidden.extend([place.access.1.clone(), place.cipher.0.clone(), password.clone()]);
        let family = adoption.family.family(adoption.version.as_ref());
        let environment = family.environment(&place, &step);
        let child = Arc::new(Self {
            family,
            place,
            step,
            config,
            broker,
            snapshot: Mutex::new(snapshot),
            runs: Mutex::default(),
            quiet: Notify::new(),
            stop,
            ended,
            how: Mutex::default(),
            late,
            begun: Mutex::default(),
            asking: Mutex::default(),
            secrets,
        });
        facade::serve(listener, Arc::clone(&child));
        hidden.extend(proxy.clone());
        let process = child.spawn(adoption, (environment, proxy)).map_err(failed)?;
        tokio::spawn(Arc::clone(&child).watch(process, Mask::new(hidden)));
        let ready = async {
            while let Some(happened) = happened.recv().await {
                if matches!(happened, Happened::Consuming) {
                    return true;
                }
                child.take(happened);
            }
            false
        };
        let begun = Instant::now();
        let ready = tokio::select! {
            ready = timeout(READY, ready) => ready.unwrap_or(false),
            () = child.ended.cancelled() => false,
        };
        if !ready {
            child.stop.cancel();
            let told = child.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
            let why = match told {
                Some(failure) => format!("{}: {}", failure.name, failure.message),
                None if child.ended.is_cancelled() => child.how(),
                None => format!("it asked for no messages in {} s", READY.as_secs()),
            };
            let text = format!("the component did not start: {why}");
            return Err(Error::retryable("component_not_started", text));
        }
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(step.id = child.step.step, function = child.step.function, millis, "the component is ready");
        let listening = Arc::clone(&child);
        tokio::spawn(async move {
            while let Some(happened) = happened.recv().await {
                listening.take(happened);
            }
        });
        Ok(child)
    }

    fn spawn(
        &self,
        adoption: &Adoption,
        (environment, proxy): (BTreeMap<String, String>, Option<String>),
    ) -> io::Result<Process> {
        let [program, arguments @ ..] = adoption.command.as_slice() else {
            return Err(io::Error::other("the adoption names no command"));
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&adoption.directory).envs(environment);
        // What the component asks for by name comes from the settings and secrets of the instance.
        for name in &adoption.variables {
            if let Some(value) = self.config.get(name) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                command.env(name, text);
            }
        }
        // There is no other way out. Most libraries take it from here; Node.js itself does from version 24 on.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            if let Some(proxy) = &proxy {
                command.env(name, proxy);
            }
        }
        command.env("NO_PROXY", "127.0.0.1,localhost").env("NODE_USE_ENV_PROXY", "1");
        command.env("HOME", "/tmp").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command.spawn()
    }

    /// Passes on what the process writes, and ends it when it is to end.
    async fn watch(self: Arc<Self>, mut process: Process, mask: Mask) {
        let step = self.step.step.clone();
        let last = lines::forward(&step, &mask, process.stdout.take(), process.stderr.take());
        let status = tokio::select! {
            status = process.wait() => status,
            () = self.stop.cancelled() => end(&mut process).await,
        };
        let said = timeout(Duration::from_secs(1), last).await.ok().and_then(Result::ok).unwrap_or_default();
        let how = match status {
            Ok(status) => format!("{status}{}{said}", if said.is_empty() { "" } else { "; it said last: " }),
            Err(error) => error.to_string(),
        };
        if !self.stop.is_cancelled() {
            warn!(step.id = step, how, "the component ended by itself");
        }
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
        self.stop.cancel();
        self.ended.cancel();
    }

    /// Ends it once its runs have ended.
    pub(crate) fn leave(self: Arc<Self>) {
        tokio::spawn(async move {
            loop {
                let quiet = self.quiet.notified();
                if self.idle_since().is_some() {
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
        self.how.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it may be given messages.
    pub(crate) fn is_alive(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// What the step remembers.
    pub(crate) fn snapshot(&self) -> Value {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    fn take(&self, happened: Happened) {
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
                    Err(error) => {
                        // It would be published again for ever if it were not confirmed.
                        warn!(step.id = self.step.step, %error, "a message of the component cannot be read; it is dropped");
                        confirm.taken();
                    }
                }
            }
        }
    }

    fn pass(&self, delivery: Option<&str>, kind: EventKind, confirm: Confirm) {
        if let EventKind::Snapshot { value, merge } = kind {
            self.remember(value, merge);
            return confirm.taken();
        }
        if kind == EventKind::Nothing {
            return confirm.taken();
        }
        let run = {
            let runs = self.runs();
            let named = delivery.and_then(|delivery| runs.by_delivery.get(delivery));
            // Old libraries do not say what a message belongs to.
            let only = || {
                runs.by_delivery.values().next().filter(|_| delivery.is_none() && runs.by_delivery.len() == 1)
            };
            named.or_else(only).cloned()
        };
        match run {
            Some(run) => {
                if let Err(mpsc::error::SendError(Told::Event(kind, confirm))) =
                    run.send(Told::Event(kind, confirm))
                {
                    (self.late)(kind, confirm);
                }
            }
            None => {
                if let EventKind::Failed(failure) = &kind {
                    *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
                }
                (self.late)(kind, confirm);
            }
        }
    }

    fn remember(&self, value: Value, merge: bool) {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        match (snapshot.as_object_mut(), value) {
            (Some(known), Value::Object(new)) if merge => known.extend(new),
            (_, value) => *snapshot = value,
        }
    }
}

/// A message that a process was given.
pub(crate) struct Run {
    child: Arc<Child>,
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

/// Tells a process to end; after the grace it is killed.
async fn end(process: &mut Process) -> io::Result<std::process::ExitStatus> {
    let pid = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM).ok();
    }
    if let Ok(status) = timeout(GRACE, process.wait()).await {
        return status;
    }
    process.kill().await?;
    process.wait().await
}

/// A password that nobody guesses, of letters and digits.
fn secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The config of a step with the settings and secrets of its instance, those winning.
pub(crate) fn merged(config: &Value, settings: &Map<String, Value>, secrets: &Map<String, Value>) -> Value {
    let mut all = config.as_object().cloned().unwrap_or_default();
    all.extend(settings.clone());
    all.remove(ALLOWED_HOSTS);
    all.extend(secrets.clone());
    Value::Object(all)
}
