//! Where scripts run: each on a thread of its own, since one that calls other actions waits for them on its thread.
//!
//! A script that computes in one go inside the engine cannot be stopped. Its caller is told that the time is over, and the
//! thread goes on alone; it keeps its place, so there are never more than a few of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluice_script::{Clock, Host, HostError, Limits, ScriptError, Scripts};
use sluice_sdk::protocol::gateway::INVOKE_DEPTH;
use sluice_sdk::{Error, chain};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::{debug, warn};

use crate::redact::Redactor;

/// Scripts at a time that only compute.
const COMPUTING: usize = 4;
/// Scripts at a time that call other actions, those that are called by others not counted: so many for steps, and so many
/// for each depth of calls from other instances. Who waits for another depth never waits for a place of its own.
const PROGRAMS: usize = 4;
/// The stack of a script's thread, in bytes: twice what the engine takes, and room for what the engine calls.
const STACK: usize = 2 * 1024 * 1024;
/// How much longer than allowed a script may take before it is left alone.
const GRACE: Duration = Duration::from_secs(2);
/// How often somebody looks.
const GLANCE: Duration = Duration::from_millis(250);

/// The places where scripts run.
pub(crate) struct Desk {
    computing: Arc<Semaphore>,
    programs: [Arc<Semaphore>; INVOKE_DEPTH as usize + 1],
}

impl Default for Desk {
    fn default() -> Self {
        let programs = std::array::from_fn(|_| Arc::new(Semaphore::new(PROGRAMS)));
        Self { computing: Arc::new(Semaphore::new(COMPUTING)), programs }
    }
}

/// A script and what it gets.
pub(crate) struct Task {
    pub(crate) scripts: Scripts,
    pub(crate) name: String,
    pub(crate) args: Vec<Value>,
    pub(crate) host: Arc<dyn Host>,
}

impl Desk {
    /// Runs a script that waits for nobody.
    pub(crate) async fn compute(&self, task: Task) -> Result<Value, Error> {
        let place = Arc::clone(&self.computing).acquire_owned().await;
        run(task, Some(place.map_err(gone)?)).await
    }

    /// A place for a script that calls other actions, at so many calls from one instance to another. Those of its own
    /// connector that it calls need none.
    pub(crate) async fn place(&self, depth: u8) -> Result<OwnedSemaphorePermit, Error> {
        let places = &self.programs[usize::from(depth.min(INVOKE_DEPTH))];
        Arc::clone(places).acquire_owned().await.map_err(gone)
    }
}

/// Runs a script. Its place is free when its thread has ended.
pub(crate) async fn run(task: Task, place: Option<OwnedSemaphorePermit>) -> Result<Value, Error> {
    let (reply, mut answer) = oneshot::channel();
    let clock = Arc::new(Clock::default());
    let (watched, name) = (Arc::clone(&clock), task.name.clone());
    let work = move || {
        let Task { scripts, name, args, host } = task;
        // Whoever asked may be gone by then.
        drop(reply.send(scripts.call_timed(&name, args, host, &clock)));
        drop(place);
    };
    std::thread::Builder::new()
        .name("script".to_owned())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| Error::retryable("threads", chain(&error)))?;
    let limit = Limits::default().time;
    let mut glances = tokio::time::interval(GLANCE);
    loop {
        tokio::select! {
            answer = &mut answer => {
                let answer = answer.map_err(|_| Error::fatal("script_failed", format_args!("script `{name}` broke off")))?;
                return answer.map_err(|error| failed(&error));
            }
            _ = glances.tick() => if watched.computed() > limit + GRACE {
                warn!(script = name, "a script cannot be stopped; its thread is left alone");
                let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                return Err(failed(&ScriptError::TimedOut { script: name, millis }));
            },
        }
    }
}

fn failed(error: &ScriptError) -> Error {
    let code = match error {
        ScriptError::TimedOut { .. } => "script_timeout",
        ScriptError::Syntax { .. }
        | ScriptError::Thrown { .. }
        | ScriptError::OutOfMemory { .. }
        | ScriptError::StackOverflow { .. }
        | ScriptError::TooLarge { .. }
        | ScriptError::TooManyCalls { .. }
        | ScriptError::Unknown { .. } => "script_failed",
    };
    Error::fatal(code, error)
}

fn gone(_: tokio::sync::AcquireError) -> Error {
    Error::retryable("threads", "no more scripts are run")
}

/// The host of scripts that only compute: what they log goes to the log, without secrets.
pub(crate) struct Listener {
    pub(crate) redactor: Arc<Redactor>,
}

impl Host for Listener {
    fn invoke(&self, _: &str, _: Value) -> Result<Value, HostError> {
        Err(HostError::new("not_here", "only the script of an action can call other actions"))
    }

    fn log(&self, line: &str) {
        debug!(line = self.redactor.text(line), "a script says");
    }
}
