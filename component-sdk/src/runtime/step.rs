//! One assigned step: its function bound to its config, and the records that wait for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use sluice_protocol::gateway::Assignment;
use sluice_protocol::{Envelope, StepKey};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::runner::Runner;
use super::window::Key;
use crate::Error;
use crate::function::Call;

/// A record that this process answers for.
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) envelope: Arc<Envelope>,
}

/// A step that is served.
pub(crate) struct Step {
    pub(crate) served: Arc<Served>,
    runner: Arc<Runner>,
    line: Mutex<Line>,
}

/// The records of a step that wait.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Job>,
    /// Tasks that take records from here, one at a time each: at most the step's concurrency.
    takers: u32,
    /// The step is not ours any more: what has not begun is given back.
    closed: bool,
}

/// What a run needs to know of its step.
pub(crate) struct Served {
    pub(crate) assignment: Assignment,
    pub(crate) routing_key: Arc<str>,
    pub(crate) call: Result<Call, Error>,
}

impl Step {
    /// Serves a step. Records begin in order of arrival, as many at a time as its concurrency says.
    pub(crate) fn new(assignment: Assignment, call: Result<Call, Error>, runner: &Arc<Runner>) -> Arc<Self> {
        let routing_key = assignment.routing_key.as_str().into();
        let served = Arc::new(Served { assignment, routing_key, call });
        Arc::new(Self { served, runner: Arc::clone(runner), line: Mutex::default() })
    }

    /// Queues a record, or gives it back when the step is closed. How many wait is bounded by the prefetch of the lanes.
    pub(crate) fn queue(self: &Arc<Self>, job: Job) {
        let mut line = self.line();
        if line.closed {
            drop(line);
            return self.runner.return_unstarted(&self.served.routing_key, &job);
        }
        line.waiting.push_back(job);
        if line.takers < self.served.assignment.concurrency.max(1) {
            line.takers += 1;
            drop(line);
            self.runner.work.spawn(Arc::clone(self).take());
        }
    }

    /// Runs one record after the other until none waits.
    async fn take(self: Arc<Self>) {
        while let Some(job) = self.next() {
            self.runner.run(Arc::clone(&self.served), job).await;
            // A function that never waits must not keep its thread from the others.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The record whose turn it is. Whoever gets none does not take any more.
    fn next(&self) -> Option<Job> {
        let mut line = self.line();
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.takers -= 1;
        }
        next
    }

    /// Gives back what has not begun.
    pub(crate) fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        let waiting = std::mem::take(&mut line.waiting);
        drop(line);
        for job in waiting {
            self.runner.return_unstarted(&self.served.routing_key, &job);
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Some(step) = self.get(key) {
            return Some(step);
        }
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
