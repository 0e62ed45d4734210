//! Runs one record: from the function to the confirmed outcome to the acknowledged delivery.
//!
//! Every record that was admitted ends here in exactly one final outcome, whatever the function does: it returns, fails,
//! panics, takes too long or never yields its thread.

use std::sync::Arc;
use std::time::Duration;

use sluice_protocol::gateway::Role;
use sluice_protocol::{Envelope, ErrorInfo, Outcome, Status};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info_span, warn};

use super::outcome::{self, answer, give_back};
use super::outlet::PartialSink;
use super::publisher::Publisher;
use super::step::{Job, Served};
use super::stop::{Reason, Stop};
use super::window::{Key, Window};
use crate::calls::Calls;
use crate::context::{Context, Inner};
use crate::credentials::CredentialCache;
use crate::function::{Finished, RawInput};
use crate::{Error, Outputs};

/// How long a cancelled function may take to notice. After that its thread counts as lost.
const TO_YIELD: Duration = Duration::from_secs(2);

/// What every run shares.
pub(crate) struct Runner {
    /// The runtime that runs functions.
    pub(crate) work: Handle,
    pub(crate) publisher: Publisher,
    pub(crate) window: Window,
    pub(crate) credentials: Arc<CredentialCache>,
    pub(crate) calls: Arc<dyn Calls>,
    /// Every record between its start and its settled deliveries.
    pub(crate) running: TaskTracker,
    /// The grace of a shutdown is over.
    pub(crate) abort: CancellationToken,
    pub(crate) stop: Stop,
}

/// How a run ended.
enum End {
    Done(Result<Finished, Error>),
    Panicked(String),
    TimedOut,
    Drained,
}

impl Runner {
    pub(crate) async fn run(&self, step: &Served, job: Job) {
        let span = info_span!(
            "run",
            step.id = %job.envelope.step,
            execution.id = job.envelope.execution.map(tracing::field::display),
            message.id = %job.envelope.id,
            trace.id = job.envelope.traceparent.as_deref().and_then(|sending| sending.get(3..35)),
        );
        async {
            let started = Instant::now();
            let sink = Arc::new(PartialSink::new(self.publisher.clone(), step, &job.envelope));
            let end = self.call(step, &job.envelope, Arc::clone(&sink)).await;
            // Partial outcomes come before the final one.
            let offset = sink.close().await;
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let mut outcomes = conclude(&job.envelope, end, offset);
            if let Some(last) = outcomes.last_mut() {
                last.micros = micros;
            }
            self.finish(&step.routing_key, job.key, outcomes).await;
        }
        .instrument(span)
        .await;
    }

    /// Gives a record back that has not begun. It burns no attempt.
    pub(crate) fn return_unstarted(self: &Arc<Self>, route: &Arc<str>, job: Job) {
        let error = ErrorInfo::new("drained", "the component ended before this input began", true);
        self.bounce(route, &job, Status::Rebound, Some(error));
    }

    /// Answers for a record without running it.
    pub(crate) fn bounce(
        self: &Arc<Self>,
        route: &Arc<str>,
        job: &Job,
        status: Status,
        error: Option<ErrorInfo>,
    ) {
        let outcome = give_back(&job.envelope, status, error);
        let (runner, route, key) = (Arc::clone(self), Arc::clone(route), job.key);
        self.running.spawn(async move { runner.finish(&route, key, vec![outcome]).await });
    }

    /// Publishes, awaits every confirm, then settles the deliveries.
    async fn finish(&self, route: &Arc<str>, key: Key, outcomes: Vec<Outcome>) {
        let success = outcomes.last().is_some_and(|last| last.status == Status::Ok);
        for one in &outcomes {
            // One after the other, so that a batch that has to be repeated cannot overtake.
            if self.publisher.store(Arc::clone(route), outcome::line(one)).await.is_err() {
                // The process ends: the deliveries stay unacknowledged and come again.
                return;
            }
        }
        for ticket in self.window.finish(key, success) {
            ticket.settle().await;
        }
    }

    async fn call(&self, step: &Served, envelope: &Envelope, sink: Arc<PartialSink>) -> End {
        let call = match &step.call {
            Ok(call) => Arc::clone(call),
            Err(error) => return End::Done(Err(error.clone())),
        };
        let deadline = Instant::now() + Duration::from_millis(step.assignment.timeout_ms);
        let cancelled = CancellationToken::new();
        let cx = Context::new(Inner {
            id: envelope.id,
            execution: envelope.execution,
            attempt: envelope.attempt,
            headers: envelope.headers.clone(),
            step: envelope.step.clone(),
            traceparent: envelope.traceparent.clone(),
            instance: step.assignment.instance.clone(),
            revision: envelope.invocation.as_ref().and_then(|invocation| invocation.revision),
            deadline: Some(deadline),
            cancelled: cancelled.clone(),
            tick: (step.assignment.role == Role::Polling).then(|| envelope.body.clone()),
            credentials: Arc::clone(&self.credentials),
            sink: Some(sink),
            trace: envelope.invocation.as_ref().is_some_and(|invocation| invocation.trace),
            calls: Arc::clone(&self.calls),
            depth: envelope.invocation.as_ref().map_or(0, |invocation| invocation.depth),
        });
        let input = RawInput { body: envelope.body.clone(), state: envelope.state.clone() };
        let span = tracing::Span::current();
        // The call itself is the author's code too: it starts on the work runtime.
        let mut handle = self.work.spawn(async move { call(cx, input).await }.instrument(span));
        let end = tokio::select! {
            biased;
            joined = &mut handle => return joined_end(joined),
            () = sleep_until(deadline) => End::TimedOut,
            () = self.abort.cancelled() => End::Drained,
        };
        cancelled.cancel();
        self.reclaim(handle).await;
        end
    }

    /// Takes the thread back from a cancelled function; a thread that does not come back ends the process.
    async fn reclaim(&self, mut handle: JoinHandle<Result<Finished, Error>>) {
        handle.abort();
        if timeout(TO_YIELD, &mut handle).await.is_err() {
            error!(
                "a function does not yield its thread after its time was up, the component has to restart"
            );
            self.stop.request(Reason::Stuck);
        }
    }
}

fn joined_end(joined: Result<Result<Finished, Error>, JoinError>) -> End {
    match joined {
        Ok(result) => End::Done(result),
        Err(error) if error.is_panic() => End::Panicked(panic_message(error.into_panic().as_ref())),
        // Nobody else aborts a run, except the end of the work runtime.
        Err(_) => End::Drained,
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

/// The outcomes that tell how a run ended, after `offset` outputs that were streamed.
fn conclude(envelope: &Envelope, end: End, offset: u64) -> Vec<Outcome> {
    let error = match end {
        End::Done(Ok(finished)) => match conclude_success(envelope, finished, offset) {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        },
        End::Done(Err(error)) => error,
        End::Panicked(message) => {
            error!("the function panicked");
            Error::fatal("panic", format_args!("the function panicked: {message}"))
        }
        End::TimedOut => Error::retryable("timeout", "the function took longer than the step's timeout"),
        End::Drained => Error::rebound("drained", "the component ended before this run did"),
    };
    warn!(code = error.code(), retryable = error.is_retryable(), "the run did not succeed");
    let status = error.status();
    vec![Outcome { offset, ..give_back(envelope, status, Some(error.into_info())) }]
}

fn conclude_success(envelope: &Envelope, finished: Finished, offset: u64) -> Result<Vec<Outcome>, Error> {
    let Finished { outputs, state } = finished;
    let base = Outcome { offset, ..answer(envelope, Status::Ok) };
    outcome::succeed(&base, Outputs::build(outputs)?, state)
}
