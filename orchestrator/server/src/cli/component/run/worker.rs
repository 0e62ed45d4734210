//! What serves one deployment here: a process, started again when it ends.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use sluice_http::dto;

use super::process::Process;
use crate::client::Client;
use crate::failure::{Code, Exit, Failure};
use crate::output::{Out, note};

/// How long a process may take to finish what it began. Components give themselves 25 seconds.
const GRACE: Duration = Duration::from_secs(30);
/// The pause before a process that ended by itself is started again; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran for longer than this worked.
const STABLE: Duration = Duration::from_secs(60);
/// When to ask again whether a container has ended.
const AGAIN: Duration = Duration::from_millis(500);

/// What serves one deployment here.
pub(super) struct Worker {
    deployment: dto::AttachableDeployment,
    /// Whether it is to be served.
    wanted: bool,
    state: State,
    pause: Duration,
    /// Why the server let no process begin, as it was told last.
    trouble: Option<String>,
}

enum State {
    /// Nothing runs before that time.
    Waits(Instant),
    Runs {
        process: Process,
        since: Instant,
    },
    /// It was asked to end, and is killed at that time.
    Ends {
        process: Process,
        kill_at: Instant,
    },
}

impl Worker {
    pub(super) fn new(deployment: dto::AttachableDeployment) -> Self {
        Self { deployment, wanted: true, state: State::Waits(Instant::now()), pause: PAUSE, trouble: None }
    }

    /// Takes in how its deployment stands; none when it is not to be served any more.
    pub(super) fn take_in(&mut self, deployment: Option<dto::AttachableDeployment>) {
        self.wanted = deployment.is_some();
        if let Some(deployment) = deployment {
            self.deployment = deployment;
        }
    }

    /// Whether a process of it is there.
    pub(super) fn has_process(&self) -> bool {
        !matches!(self.state, State::Waits(_))
    }

    /// Whether nothing is left of it to be looked after.
    pub(super) fn is_over(&self) -> bool {
        !self.wanted && !self.has_process()
    }

    /// Asks its process to end, if one runs.
    pub(super) fn end(&mut self) {
        let now = Instant::now();
        self.state = match std::mem::replace(&mut self.state, State::Waits(now)) {
            State::Runs { process, .. } => {
                process.ask_to_end();
                State::Ends { process, kill_at: now + GRACE }
            }
            State::Waits(_) => State::Waits(now),
            ends @ State::Ends { .. } => ends,
        };
        self.pause = PAUSE;
    }

    /// Ends its process at once.
    pub(super) fn kill(&mut self) {
        if let State::Runs { process, .. } | State::Ends { process, .. } = &self.state {
            process.kill();
        }
    }

    /// Looks after its process.
    pub(super) fn look(&mut self, out: &Out) {
        let now = Instant::now();
        match &mut self.state {
            State::Waits(_) => {}
            State::Runs { process, since } => match process.ended() {
                Some(status) => {
                    if since.elapsed() > STABLE {
                        self.pause = PAUSE;
                    }
                    note(&format!("The process ended ({status}); the next one begins in {:?}.", self.pause));
                    self.state = State::Waits(now + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                None if !self.wanted => self.end(),
                None => {}
            },
            State::Ends { process, kill_at } => match process.ended() {
                Some(status) => {
                    out.done(&format!("The process ended ({status})."));
                    self.state = State::Waits(now);
                }
                None if now >= *kill_at => process.kill(),
                None => {}
            },
        }
    }

    /// Starts a process, if it is time for one and the container made room.
    pub(super) async fn begin(
        &mut self,
        (client, attachment): (&Client, &str),
        command: &[OsString],
        out: &Out,
    ) -> Result<(), Failure> {
        match self.state {
            State::Waits(at) if self.wanted && self.deployment.free && Instant::now() >= at => {}
            _ => return Ok(()),
        }
        let path = ["api", "v1", "attachments", attachment, "starts"];
        let body = dto::StartAttached { deployment: self.deployment.id.clone() };
        let boot: dto::AttachedBoot = match client.post(&path, &[], &body).await {
            Ok(boot) => boot,
            Err(failure) if failure.exit == Exit::Unauthorized => return Err(failure),
            Err(failure) => {
                // That the container still ends, or that the attachment is over, is nothing to tell.
                let usual = matches!(failure.exit, Exit::Conflict | Exit::NotFound);
                if !usual && self.trouble.as_ref() != Some(&failure.message) {
                    note(&format!("No process may begin now: {}", failure.message));
                    self.trouble = Some(failure.message);
                }
                self.state = State::Waits(Instant::now() + AGAIN);
                return Ok(());
            }
        };
        let boot = serde_json::to_string(&boot).unwrap_or_default();
        let process = Process::start(command, &boot).await.map_err(|error| {
            let program = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            Failure::new(Code::Run, format!("{program} cannot be started: {error}"))
        })?;
        let flows = match self.deployment.flows.as_slice() {
            [] => "invocations".to_owned(),
            flows => format!("the flows {}", flows.join(", ")),
        };
        let pid = process.pid().map_or_else(String::new, |pid| format!(" {pid}"));
        out.done(&format!("Process{pid} serves {flows} ({}).", self.deployment.scope));
        self.state = State::Runs { process, since: Instant::now() };
        self.trouble = None;
        Ok(())
    }
}
