//! Starting a process with a broker and a platform of its own, watching it, and ending it.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sluice_families::{Adoption, Launch, Place, Step};
use sluice_sdk::Error;
use tokio::process::{Child as Process, Command};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Child, How, Late, Memory, Parse};
use crate::broker::{Broker, Happened};
use crate::facade;
use crate::lines::{self, Mask};
use crate::objects::Objects;
use crate::stragglers::Stragglers;

/// How long a process may take until it asks for messages.
const READY: Duration = Duration::from_secs(60);
/// How long a process may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// What a process is started with.
pub(crate) struct Start<'a> {
    pub(crate) adoption: &'a Adoption,
    pub(crate) step: Step,
    pub(crate) config: Value,
    pub(crate) snapshot: Value,
    /// Whether the orchestrator keeps it: of an action.
    pub(crate) keeps: bool,
    /// Whether it does not keep this one yet.
    pub(crate) unkept: bool,
    /// What its hook `startup` returned once.
    pub(crate) startup: Option<Value>,
    pub(crate) late: Late,
    pub(crate) secrets: Parse,
    /// Texts that must not stand in a log.
    pub(crate) hidden: Vec<String>,
    /// The way out of the container.
    pub(crate) proxy: Option<String>,
}

/// A process that is yet to be started.
pub(super) struct Prepared {
    pub(super) child: Arc<Child>,
    happened: mpsc::UnboundedReceiver<Happened>,
    pub(super) mask: Mask,
}

/// A process that cannot be started now.
pub(super) fn not_started(error: io::Error) -> Error {
    Error::retryable("component_not_started", error)
}

impl Child {
    /// Starts a process and waits until it asks for messages.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not ask in time. All may be otherwise next time.
    pub(crate) async fn start(start: Start<'_>) -> Result<Arc<Self>, Error> {
        let (adoption, proxy) = (start.adoption, start.proxy.clone());
        let Prepared { child, mut happened, mask } = Self::prepare(start).await?;
        let environment = child.family.environment(&child.place, &child.step);
        let launch = Launch { command: adoption.command.clone(), environment };
        let process = child.spawn(adoption, (launch, proxy)).map_err(not_started)?;
        tokio::spawn(Arc::clone(&child).watch(process, mask));
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

    /// Gives a process that is yet to be started its broker and its platform.
    pub(super) async fn prepare(start: Start<'_>) -> Result<Prepared, Error> {
        let Start {
            adoption,
            step,
            config,
            snapshot,
            keeps,
            unkept,
            startup,
            late,
            secrets,
            mut hidden,
            proxy,
        } = start;
        let (told, happened) = mpsc::unbounded_channel();
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (password, key) = (secret(), secret());
        let (broker, port) =
            Broker::start(password.clone(), told, ended.clone()).await.map_err(not_started)?;
        let (listener, api) = facade::listen().await.map_err(not_started)?;
        let place = Place {
            // Frames large enough for a config in a header.
            broker: format!("amqp://component:{password}@127.0.0.1:{port}/?frameMax=1048576&heartbeat=300"),
            api: format!("http://127.0.0.1:{api}"),
            access: ("component".to_owned(), key),
            cipher: (secret(), secret().chars().take(16).collect()),
        };
        hidden.extend([place.access.1.clone(), place.cipher.0.clone(), password.clone()]);
        let family = adoption.family.family(adoption.version.as_ref());
        let child = Arc::new(Self {
            family,
            place,
            step,
            config,
            broker,
            memory: Mutex::new(Memory { snapshot, changes: u64::from(unkept), kept: 0 }),
            keeping: keeps.then(tokio::sync::Mutex::default),
            runs: Mutex::default(),
            quiet: Notify::new(),
            stop,
            ended,
            how: Mutex::default(),
            late,
            begun: Mutex::default(),
            asking: Mutex::default(),
            secrets,
            objects: Objects::default(),
            process: OnceLock::new(),
            stragglers: Stragglers::default(),
            startup: Mutex::new(startup),
            result: watch::Sender::new(None),
        });
        facade::serve(listener, Arc::clone(&child));
        hidden.extend(proxy);
        Ok(Prepared { child, happened, mask: Mask::new(hidden) })
    }

    pub(super) fn spawn(
        &self,
        adoption: &Adoption,
        (Launch { command, environment }, proxy): (Launch, Option<String>),
    ) -> io::Result<Process> {
        let [program, arguments @ ..] = command.as_slice() else {
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
        let process = command.spawn()?;
        if let Some(id) = process.id() {
            self.process.get_or_init(|| id);
        }
        Ok(process)
    }

    /// Passes on what the process writes, and ends it when it is to end.
    pub(super) async fn watch(self: Arc<Self>, mut process: Process, mask: Mask) {
        let step = self.step.step.clone();
        let last = lines::forward(&step, &mask, process.stdout.take(), process.stderr.take());
        let status = tokio::select! {
            status = process.wait() => status,
            () = self.stop.cancelled() => end(&mut process).await,
        };
        let said = timeout(Duration::from_secs(1), last).await.ok().and_then(Result::ok).unwrap_or_default();
        let well = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        let text = match status {
            Ok(status) => format!("{status}{}{said}", if said.is_empty() { "" } else { "; it said last: " }),
            Err(error) => error.to_string(),
        };
        if !self.stop.is_cancelled() {
            warn!(step.id = step, how = text, "the component ended by itself");
        }
        let how = How { well, text };
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
        self.stop.cancel();
        self.ended.cancel();
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
