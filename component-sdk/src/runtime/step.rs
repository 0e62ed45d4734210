//! One assigned step: its function bound to its config, and the records that wait for it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sluice_protocol::gateway::Assignment;
use sluice_protocol::{Envelope, StepKey};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::runner::Runner;
use super::window::Key;
use crate::Error;
use crate::function::Call;

/// A record that this process answers for.
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) envelope: Envelope,
}

/// A step that is served.
pub(crate) struct Step {
    pub(crate) served: Arc<Served>,
    /// The step is not ours any more: what has not begun is given back.
    closing: CancellationToken,
    waiting: mpsc::UnboundedSender<Job>,
}

/// What a run needs to know of its step.
pub(crate) struct Served {
    pub(crate) assignment: Assignment,
    pub(crate) routing_key: Arc<str>,
    pub(crate) call: Result<Call, Error>,
}

impl Step {
    /// Starts to serve a step. Records run in order of arrival, as many at a time as its concurrency says.
    pub(crate) fn start(
        assignment: Assignment,
        call: Result<Call, Error>,
        runner: &Arc<Runner>,
        closing: CancellationToken,
    ) -> Arc<Self> {
        let (waiting, jobs) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(usize::try_from(assignment.concurrency.max(1)).unwrap_or(1)));
        let routing_key = assignment.routing_key.as_str().into();
        let served = Arc::new(Served { assignment, routing_key, call });
        // The task holds no sender, so it ends with the last handle of the step.
        tokio::spawn(dispatch(Arc::clone(&served), closing.clone(), permits, jobs, Arc::clone(runner)));
        Arc::new(Self { served, closing, waiting })
    }

    /// Queues a record. How many wait is bounded by the prefetch of the lanes.
    pub(crate) fn queue(&self, job: Job) -> Result<(), Box<Job>> {
        self.waiting.send(job).map_err(|refused| Box::new(refused.0))
    }

    /// Gives back what has not begun.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }
}

async fn dispatch(
    step: Arc<Served>,
    closing: CancellationToken,
    permits: Arc<Semaphore>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    runner: Arc<Runner>,
) {
    while let Some(job) = jobs.recv().await {
        let permit = tokio::select! {
            biased;
            () = closing.cancelled() => None,
            permit = Arc::clone(&permits).acquire_owned() => permit.ok(),
        };
        match permit {
            Some(permit) => {
                let (runner, step) = (Arc::clone(&runner), Arc::clone(&step));
                let tracker = runner.running.clone();
                tracker.spawn(async move {
                    runner.run(&step, job).await;
                    drop(permit);
                });
            }
            None => runner.return_unstarted(&step.routing_key, job),
        }
    }
}

/// The steps that are served, by their key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Steps {
    table: Arc<RwLock<Table>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Table {
    steps: HashMap<StepKey, Arc<Step>>,
    /// Routing keys of steps that were ever served, to answer for a record that comes after its step went.
    routes: HashMap<StepKey, Arc<str>>,
}

/// How many routing keys of former steps are remembered.
const ROUTES: usize = 10_000;

/// How long a record of an unknown step waits for the assignments to catch up.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(2);

impl Steps {
    pub(crate) fn new() -> Self {
        Self { table: Arc::default(), changes: Arc::new(watch::Sender::new(0)) }
    }

    pub(crate) fn get(&self, key: &StepKey) -> Option<Arc<Step>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).steps.get(key).cloned()
    }

    /// The step, waiting for the assignments until `deadline` when it is unknown.
    pub(crate) async fn find(&self, key: &StepKey, deadline: Instant) -> Option<Arc<Step>> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(step) = self.get(key) {
                return Some(step);
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return self.get(key);
            }
        }
    }

    /// The routing key of a step that is or was served; for any other that of a step which is.
    pub(crate) fn route(&self, key: &StepKey) -> Option<Arc<str>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let any = || table.steps.values().next().map(|step| Arc::clone(&step.served.routing_key));
        table.routes.get(key).cloned().or_else(any)
    }

    pub(crate) fn replace(&self, steps: HashMap<StepKey, Arc<Step>>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.routes.len() > ROUTES {
            table.routes.clear();
        }
        for (key, step) in &steps {
            table.routes.insert(key.clone(), Arc::clone(&step.served.routing_key));
        }
        table.steps = steps;
        drop(table);
        self.changes.send_modify(|revision| *revision += 1);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Step>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).steps.values().cloned().collect()
    }
}
