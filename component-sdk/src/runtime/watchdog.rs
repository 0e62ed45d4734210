//! Runs whose function has not ended, and what becomes of those that never yield their thread.
//!
//! A function that awaits is cancelled where it runs. One that blocks its thread cannot be: when its time is up, or the
//! grace of a shutdown, and it has not noticed for a while, its run is concluded from here and the component restarts,
//! since only a new process gets the thread back. Nothing ticks while nothing runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::error;

use super::outlet::PartialSink;
use super::runner::{End, Runner};
use super::step::{Job, Served};
use super::stop::Reason;
use super::window::Key;

/// How long a cancelled function may take to notice. After that its thread counts as lost.
const TO_YIELD: Duration = Duration::from_secs(2);
/// How often runs under way are looked at.
const TICK: Duration = Duration::from_millis(500);

/// A run whose function has begun, or waits for a thread.
pub(crate) struct Run {
    pub(crate) step: Arc<Served>,
    pub(crate) job: Job,
    pub(crate) sink: Arc<PartialSink>,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
}

/// A run, and what tells the end of the component that it is not answered. The token is not the run's own: a thread that
/// never comes back holds the run for ever.
struct Open {
    run: Arc<Run>,
    running: TaskTrackerToken,
}

/// The runs that have not ended.
#[derive(Default)]
pub(crate) struct Runs {
    open: Mutex<HashMap<Key, Open>>,
    watched: AtomicBool,
    begun: Notify,
}

impl Runs {
    /// Enters a run. Its time begins now.
    pub(crate) fn begin(
        &self,
        step: Arc<Served>,
        job: Job,
        sink: Arc<PartialSink>,
        running: TaskTrackerToken,
    ) -> Arc<Run> {
        let started = Instant::now();
        let deadline = started + Duration::from_millis(step.assignment.timeout_ms);
        let run = Arc::new(Run { step, job, sink, started, deadline });
        self.lock().insert(run.job.key, Open { run: Arc::clone(&run), running });
        if !self.watched.swap(true, Ordering::AcqRel) {
            self.begun.notify_one();
        }
        run
    }

    /// Takes a run out; none when it was out already. Whoever took it out concludes it.
    pub(crate) fn end(&self, run: &Run) -> Option<TaskTrackerToken> {
        self.lock().remove(&run.job.key).map(|open| open.running)
    }

    fn overdue(&self, now: Instant, aborted: Option<Instant>) -> Vec<(Arc<Run>, End)> {
        let is_lost = |since: Instant| since + TO_YIELD <= now;
        let end = |run: &Run| match aborted {
            _ if is_lost(run.deadline) => Some(End::TimedOut),
            Some(aborted) if is_lost(aborted) => Some(End::Drained),
            _ => None,
        };
        self.lock()
            .values()
            .filter_map(|open| end(&open.run).map(|end| (Arc::clone(&open.run), end)))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the runs of a component for as long as it lives.
pub(crate) async fn watch(runner: Arc<Runner>) {
    let mut aborted = None;
    loop {
        runner.runs.begun.notified().await;
        loop {
            sleep(TICK).await;
            let now = Instant::now();
            if aborted.is_none() && runner.abort.is_cancelled() {
                aborted = Some(now);
            }
            for (run, end) in runner.runs.overdue(now, aborted) {
                error!(
                    step.id = %run.job.envelope.step, message.id = %run.job.envelope.id,
                    "a function does not yield its thread after its time was up, the component has to restart"
                );
                runner.stop.request(Reason::Stuck);
                let runner = Arc::clone(&runner);
                tokio::spawn(async move { runner.conclude(&run, end).await });
            }
            runner.runs.watched.store(false, Ordering::Release);
            // A run that began before this line keeps the watch up; one that begins after it wakes it again.
            if runner.runs.lock().is_empty() || runner.runs.watched.swap(true, Ordering::AcqRel) {
                break;
            }
        }
    }
}
