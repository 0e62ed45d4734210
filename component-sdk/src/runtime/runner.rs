//! Runs one record: from the function to the confirmed outcome to the acknowledged delivery.
//!
//! Every record that was admitted ends here in exactly one final outcome, whatever the function does: it returns, fails,
//! panics, takes too long or never yields its thread.
//!
//! A run stays on the threads that run functions: it concludes there and leaves its outcome with the publisher, which
//! settles the deliveries once the broker has confirmed it. Between threads nothing travels but that outcome, since a
//! switch of threads costs more than most functions do. What a blocked thread cannot do, the watchdog does
//! ([`super::watchdog`]).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sluice_protocol::gateway::Role;
use sluice_protocol::{Envelope, ErrorInfo, Outcome, Status};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, error, info_span, warn};

use super::outcome::{self, answer, give_back};
use super::outlet::PartialSink;
use super::publisher::{Answer, Publisher};
use super::step::{Job, Served};
use super::stop::Stop;
use super::watchdog::{Run, Runs};
use super::window::{Key, Window};
use crate::context::{Context, Inner};
use crate::credentials::CredentialCache;
use crate::function::{Finished, RawInput};
use crate::orchestrator::Orchestrator;
use crate::{Egress, Error, Outputs};

/// What every run shares.
pub(crate) struct Runner {
    /// The runtime that runs functions.
    pub(crate) work: Handle,
    pub(crate) publisher: Publisher,
    pub(crate) window: Arc<Window>,
    pub(crate) credentials: Arc<CredentialCache>,
    pub(crate) orchestrator: Arc<dyn Orchestrator>,
    pub(crate) egress: Egress,
    /// Every record between its start and its settled deliveries.
    pub(crate) running: TaskTracker,
    /// The runs whose functions have not ended.
    pub(crate) runs: Runs,
    /// The grace of a shutdown is over.
    pub(crate) abort: CancellationToken,
    pub(crate) stop: Stop,
}

/// How a run ended.
pub(crate) enum End {
    Done(Result<Finished, Error>),
    Panicked(String),
    TimedOut,
    Drained,
}

impl Runner {
    /// Runs a record to its outcome. The time of the run begins now.
    pub(crate) async fn run(&self, step: Arc<Served>, job: Job) {
        let span = info_span!(
            "run",
            step.id = %job.envelope.step,
            execution.id = job.envelope.execution.map(tracing::field::display),
            message.id = %job.envelope.id,
            trace.id = job.envelope.traceparent.as_deref().and_then(|sending| sending.get(3..35)),
        );
        let sink = Arc::new(PartialSink::new(
            self.publisher.clone(),
            Arc::clone(&step.routing_key),
            Arc::clone(&job.envelope),
        ));
        let run = self.runs.begin(step, job, sink, self.running.token());
        async {
            // Also what a function does when it is dropped is the author's code.
            let end = AssertUnwindSafe(self.call(&run)).catch_unwind().await;
            self.conclude(&run, end.unwrap_or_else(|panic| End::Panicked(panic_message(panic.as_ref()))))
                .await;
        }
        .instrument(span)
        .await;
    }

    /// Gives a record back that has not begun. It burns no attempt.
    pub(crate) fn return_unstarted(&self, route: &Arc<str>, job: &Job) {
        let error = ErrorInfo::new("drained", "the component ended before this input began", true);
        self.bounce(route, job, Status::Rebound, Some(error));
    }

    /// Answers for a record without running it.
    pub(crate) fn bounce(&self, route: &Arc<str>, job: &Job, status: Status, error: Option<ErrorInfo>) {
        self.finish(route, job.key, &give_back(&job.envelope, status, error), (self.running.token(), None));
    }

    /// Turns the end of a run into its outcome, unless somebody else did so already.
    pub(crate) async fn conclude(&self, run: &Run, end: End) {
        let Some(running) = self.runs.end(run) else { return };
        let micros = u64::try_from(run.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Partial outcomes come before the final one.
        let offset = run.sink.close().await;
        let mut outcomes = conclude(&run.job.envelope, end, offset);
        let Some(last) = outcomes.pop() else { return };
        for one in &outcomes {
            // One after the other, so that a batch that has to be repeated cannot overtake.
            let stored = self.publisher.store(Arc::clone(&run.step.routing_key), outcome::line(one));
            if stored.await.is_err() {
                // The process ends: the deliveries stay unacknowledged and come again.
                return;
            }
        }
        let (told, stored) = oneshot::channel();
        // One at a time keeps the order: what is published again must not come after what follows it.
        let in_order = run.step.assignment.concurrency <= 1;
        let told = in_order.then_some(told);
        self.finish(&run.step.routing_key, run.job.key, &Outcome { micros, ..last }, (running, told));
        if in_order {
            // Nobody stores anything any more when the process ends.
            stored.await.ok();
        }
    }

    /// Leaves the final outcome of a record with the publisher, which settles its deliveries.
    fn finish(
        &self,
        route: &Arc<str>,
        key: Key,
        last: &Outcome,
        (running, told): (TaskTrackerToken, Option<oneshot::Sender<()>>),
    ) {
        let success = last.status == Status::Ok;
        let answer = Answer { window: Arc::clone(&self.window), key, success, running, told };
        self.publisher.answer(Arc::clone(route), outcome::line(last), answer);
    }

    async fn call(&self, run: &Run) -> End {
        let (step, envelope) = (&run.step, &run.job.envelope);
        let call = match &step.call {
            Ok(call) => Arc::clone(call),
            Err(error) => return End::Done(Err(error.clone())),
        };
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
            deadline: Some(run.deadline),
            cancelled: cancelled.clone(),
            tick: (step.assignment.role == Role::Polling).then(|| envelope.body.clone()),
            credentials: Arc::clone(&self.credentials),
            sink: Some(Arc::clone(&run.sink) as Arc<_>),
            trace: envelope.invocation.as_ref().is_some_and(|invocation| invocation.trace),
            orchestrator: Arc::clone(&self.orchestrator),
            depth: envelope.invocation.as_ref().map_or(0, |invocation| invocation.depth),
            egress: self.egress.clone(),
        });
        let input = RawInput { body: envelope.body.clone(), state: envelope.state.clone() };
        let end = tokio::select! {
            biased;
            // A function that ends at once costs neither a timer nor a place in the list of who waits for the end.
            result = call(cx, input) => return End::Done(result),
            () = sleep_until(run.deadline) => End::TimedOut,
            () = self.abort.cancelled() => End::Drained,
        };
        cancelled.cancel();
        end
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
