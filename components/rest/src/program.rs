//! Actions that are scripts: what they ask for is done here, while their threads wait.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use sluice_script::{Host, HostError};
use sluice_sdk::protocol::Status;
use sluice_sdk::{Context, Error};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::debug;

use crate::call;
use crate::client::Shared;
use crate::desk::{self, Task};
use crate::redact::Redactor;
use crate::session::{Session, Surroundings};
use crate::step::{Library, Routine};

/// How deep scripts may call each other through actions.
const DEPTH: usize = 4;
/// Most items that a paginated action gives to a script.
const ITEMS: usize = 1000;

/// One run of a step whose action is a script.
pub(crate) struct Program<'r> {
    pub(crate) cx: &'r Context,
    pub(crate) shared: &'r Shared,
    pub(crate) library: &'r Arc<Library>,
}

/// What a script asks for.
struct Wish {
    action: String,
    input: Value,
    reply: oneshot::Sender<Result<Value, HostError>>,
}

/// Where a script stands among those that called it.
struct Level {
    depth: usize,
    /// The numbers of the calls that led here, which tell their requests apart.
    path: String,
    place: Option<OwnedSemaphorePermit>,
}

impl Program<'_> {
    /// Runs the script of this name.
    pub(crate) async fn run(&self, script: &str, input: Value) -> Result<Value, Error> {
        let place = Some(self.shared.desk().place(self.cx.depth()).await?);
        self.script(script, input, Level { depth: 1, path: String::new(), place }).await
    }

    async fn script(&self, name: &str, input: Value, level: Level) -> Result<Value, Error> {
        let credentials = self.cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let redactor = Arc::new(Redactor::new(&credentials.secrets));
        let (wishes, mut inbox) = mpsc::channel(1);
        let failure = Arc::new(Mutex::new(None));
        let host = Caller { wishes, redactor: Arc::clone(&redactor) };
        let task = Task {
            scripts: self.library.scripts.clone(),
            name: name.to_owned(),
            args: vec![input, json!({ "vars": credentials.settings, "config": self.library.config })],
            host: Arc::new(host),
        };
        let running = desk::run(task, level.place);
        tokio::pin!(running);
        let mut number = 0;
        loop {
            tokio::select! {
                result = &mut running => {
                    return result.map_err(|error| original(redactor.error(error), &failure));
                }
                Some(wish) = inbox.recv() => {
                    let Wish { action, input, reply } = wish;
                    number += 1;
                    let path = format!("{}-{number}", level.path);
                    let answer = Box::pin(self.action(&action, input, (level.depth, path))).await;
                    let answer = answer.map_err(|error| keep(error, &failure));
                    // The script may have been left alone meanwhile.
                    drop(reply.send(answer));
                }
            }
        }
    }

    /// Does what an action does, and gives its result.
    async fn action(&self, name: &str, input: Value, (depth, path): (usize, String)) -> Result<Value, Error> {
        if let Some((alias, function)) = name.split_once('.') {
            return self.cx.invoke(alias, function, input).await;
        }
        let Some(routine) = self.library.actions.get(name) else {
            let text = format!("there is no action `{}`", name.chars().take(60).collect::<String>());
            return Err(Error::fatal("unknown_action", text));
        };
        match routine {
            Routine::Script(_) if depth >= DEPTH => {
                let text = format!("actions that are scripts call each other more than {DEPTH} deep");
                Err(Error::fatal("script_failed", text))
            }
            Routine::Script(script) => {
                self.script(script, input, Level { depth: depth + 1, path, place: None }).await
            }
            Routine::Request(step) => {
                let surroundings = Surroundings { cx: self.cx, shared: self.shared };
                let mut session = Session::open(surroundings, step, ("input", input)).await?;
                let done = call::gather(&mut session, &path, ITEMS).await;
                done.map_err(|error| session.clean(error))
            }
        }
    }
}

/// Keeps an error for the case that the script does not catch it.
fn keep(error: Error, failure: &Mutex<Option<Error>>) -> HostError {
    let info = error.clone().into_info();
    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    HostError::new(info.code, info.message)
}

/// The error of an action that a script did not catch, as it was: whether it is worth another attempt, and when.
fn original(error: Error, failure: &Mutex<Option<Error>>) -> Error {
    let kept = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    match kept {
        Some(kept) if error.code() == "script_failed" => {
            let (said, info) = (error.clone().into_info().message, kept.clone().into_info());
            let parked = kept.status() == Status::Parked;
            if parked || said.ends_with(&info.message) { kept } else { error }
        }
        _ => error,
    }
}

/// The host of a script that may call other actions.
struct Caller {
    wishes: mpsc::Sender<Wish>,
    redactor: Arc<Redactor>,
}

impl Host for Caller {
    fn invoke(&self, action: &str, input: Value) -> Result<Value, HostError> {
        let gone = || HostError::new("cancelled", "the run is over");
        let (reply, answer) = oneshot::channel();
        let wish = Wish { action: action.to_owned(), input, reply };
        self.wishes.blocking_send(wish).map_err(|_| gone())?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    fn log(&self, line: &str) {
        debug!(line = self.redactor.text(line), "a script says");
    }
}
