//! One run: a message to the process, what it publishes for it, and its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sluice_families::{EventKind, Failure, Input};
use sluice_sdk::{Context, Error, Output};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use crate::carry;
use crate::child::{Child, Run, Told};
use crate::stragglers;

/// How long the reason of a rejection may take.
const REASON: Duration = Duration::from_secs(5);

/// A message for the next steps.
pub(crate) fn output(body: Value, headers: Map<String, Value>) -> Output {
    Output::new(body).headers(headers)
}

/// How a message was answered, as far as it was until now.
#[derive(Default)]
struct Answer {
    failure: Option<Error>,
    again: Option<Error>,
}

/// Gives a process a message and emits what it emits, until it is done with it.
///
/// # Errors
/// When it failed, wants it again, or ended.
pub(crate) async fn run(cx: &Context, child: &Arc<Child>, body: Option<&RawValue>) -> Result<(), Error> {
    let delivery = uuid::Uuid::new_v4().to_string();
    let thread =
        cx.execution().map_or_else(|| cx.message_id().to_string(), |execution| execution.to_string());
    let (headers, _unpacked) = carry::unpack(child, cx.headers())?;
    let input = Input {
        delivery: &delivery,
        thread: &thread,
        attempt: cx.attempt(),
        body,
        headers: &headers,
        config: &child.config,
    };
    let mut run = child
        .deliver(&input)
        .map_err(|error| Error::fatal("bad_input", format_args!("the input cannot be passed on: {error}")))?;
    // A process whose run is given up goes on with it and nothing can stop it but its end.
    let given_up = GivenUp::of(child);
    let mut answer = Answer::default();
    let done = loop {
        let told = tokio::select! {
            biased;
            told = run.told.recv() => told,
            () = child.ended.cancelled() => {
                return Err(Error::retryable("component_ended", format_args!("the component ended: {}", child.how())));
            }
        };
        match told {
            Some(Told::Event(kind, confirm)) => {
                answer.note(cx, child, kind).await?;
                confirm.taken();
            }
            Some(Told::Lost(error, confirm)) => {
                answer.failure = Some(error);
                confirm.taken();
            }
            Some(Told::Settled(done)) => break done,
            None => return Err(Error::retryable("component_ended", "the component ended")),
        }
    };
    given_up.not();
    // What it published before it settled may have come by another connection, or wait for its turn there: a rejection without
    // a reason has one that is on its way.
    let expected = !child.broker.confirms() || child.stragglers.are_expected();
    let mut straggled = false;
    while let Some(told) = next(&mut run, &answer, (done, expected)).await {
        match told {
            Told::Event(kind, confirm) => {
                straggled |= matches!(kind, EventKind::Data { .. });
                answer.note(cx, child, kind).await?;
                confirm.taken();
            }
            Told::Lost(error, confirm) => {
                answer.failure = Some(error);
                confirm.taken();
            }
            Told::Settled(_) => {}
        }
    }
    if straggled {
        child.stragglers.came()
    } else {
        child.stragglers.none_came()
    }
    answer.end(done)
}

/// What else was told; when something is missing, after a wait for it.
async fn next(run: &mut Run, answer: &Answer, (done, expected): (bool, bool)) -> Option<Told> {
    let missing = !done && answer.failure.is_none();
    match run.told.try_recv() {
        Err(_) if missing => timeout(REASON, run.told.recv()).await.ok().flatten(),
        Err(_) if expected => stragglers::next(&mut run.told, run.child.process(), &run.child.broker).await,
        told => told.ok(),
    }
}

impl Answer {
    async fn note(&mut self, cx: &Context, child: &Child, kind: EventKind) -> Result<(), Error> {
        match kind {
            EventKind::Data { mut body, mut headers } => {
                carry::pack(child, &mut body, &mut headers)?;
                cx.emit(output(body, headers)).await?;
            }
            EventKind::Reply { status, headers, body } => {
                let body = json!({ "status": status, "headers": headers, "body": body });
                cx.emit(Output::new(body).port("reply")).await?;
            }
            EventKind::Failed(failure) => self.failure = Some(failed(&failure)),
            EventKind::Rebound { after, reason } => {
                let reason = if reason.is_empty() { "the component wants it again" } else { &reason };
                self.again = Some(Error::rebound("rebound", reason).retry_after(after));
            }
            EventKind::Snapshot { .. } | EventKind::Nothing => {}
        }
        Ok(())
    }

    fn end(self, done: bool) -> Result<(), Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match (self.again, done) {
            (Some(again), _) => Err(again),
            (None, true) => Ok(()),
            (None, false) => Err(Error::fatal(
                "component_rejected",
                "the component rejected the message and did not say why",
            )),
        }
    }
}

/// What a run ends with that failed there.
fn failed(failure: &Failure) -> Error {
    let text = format!("{}: {}", failure.name, failure.message);
    if failure.is_transient() {
        Error::retryable("component_error", text)
    } else {
        Error::fatal("component_error", text)
    }
}

/// Ends a process when it is dropped before its run has ended.
struct GivenUp(DropGuard);

impl GivenUp {
    fn of(child: &Child) -> Self {
        Self(child.stop.clone().drop_guard())
    }

    fn not(self) {
        self.0.disarm();
    }
}
