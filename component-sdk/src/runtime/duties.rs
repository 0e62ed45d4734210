//! What is being served, brought in line with each new list of assignments: removals first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sluice_protocol::StepKey;
use sluice_protocol::gateway::{Assignment, Assignments, Role};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::broker::Link;
use super::invocation;
use super::lane::Lane;
use super::listener;
use super::runner::Runner;
use super::step::{Step, Steps};
use crate::Error;
use crate::component::Checked;
use crate::function::{Call, Function, Listen};

/// Deliveries of the common lane that are held.
const COMMON: u16 = 64;

/// Everything that is being served.
pub(crate) struct Duties {
    component: Arc<Checked>,
    consuming: Arc<Link>,
    runner: Arc<Runner>,
    steps: Steps,
    lanes: BTreeMap<String, CancellationToken>,
    listeners: HashMap<StepKey, (Assignment, CancellationToken, JoinHandle<()>)>,
    /// Every lane and listener, those that wind up included.
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Duties {
    pub(crate) fn new(component: Arc<Checked>, consuming: Arc<Link>, runner: Arc<Runner>) -> Self {
        Self {
            component,
            consuming,
            runner,
            steps: Steps::new(),
            lanes: BTreeMap::new(),
            listeners: HashMap::new(),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        }
    }

    /// Serves the queue of suspects: one at a time, for all steps.
    pub(crate) fn serve_suspects(&mut self, queue: &str) {
        self.start_lane(queue.to_owned(), 1);
    }

    /// Serves the lane that the quiet steps share.
    pub(crate) fn serve_common(&mut self, queue: &str) {
        self.start_lane(queue.to_owned(), COMMON);
    }

    /// Serves the queue of invocations, which need no assignment.
    pub(crate) fn serve_invocations(&mut self, queue: &str) {
        self.start_lane(queue.to_owned(), invocation::PREFETCH);
    }

    /// Brings what is served in line with `wanted`, leaving `own` queues alone, which belong to no step.
    pub(crate) fn apply(&mut self, wanted: Assignments, own: &[&str]) {
        let revisions = wanted.assignments.iter().filter_map(|one| one.instance.clone().zip(one.revision));
        self.runner.credentials.assign(revisions.collect());
        let mut lanes = desired_lanes(&wanted.assignments);
        lanes.retain(|queue, _| !own.contains(&queue.as_str()));
        let gone: Vec<String> = self
            .lanes
            .keys()
            .filter(|queue| !own.contains(&queue.as_str()) && !lanes.contains_key(*queue))
            .cloned()
            .collect();
        for queue in gone {
            if let Some(stop) = self.lanes.remove(&queue) {
                stop.cancel();
            }
        }
        let (listeners, steps) =
            wanted.assignments.into_iter().partition(|one: &Assignment| one.role == Role::Listener);
        self.apply_steps(steps);
        self.apply_listeners(listeners);
        for (queue, prefetch) in lanes {
            if !self.lanes.contains_key(&queue) {
                self.start_lane(queue, prefetch);
            }
        }
    }

    /// The longest time that a run may take.
    pub(crate) fn longest_timeout(&self) -> std::time::Duration {
        let steps = self.steps.all();
        let longest = steps.iter().map(|step| step.served.assignment.timeout_ms).max().unwrap_or_default();
        std::time::Duration::from_millis(longest)
    }

    /// Takes nothing new. What has not begun is given back.
    pub(crate) fn wind_up(&mut self) {
        self.end.cancel();
        for step in self.steps.all() {
            step.close();
        }
        self.tasks.close();
        self.runner.running.close();
    }

    /// Resolves when everything that was begun is answered.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
        self.runner.running.wait().await;
    }

    fn apply_steps(&mut self, wanted: Vec<Assignment>) {
        let mut steps = HashMap::with_capacity(wanted.len());
        for assignment in wanted {
            let key = assignment.step.clone();
            let kept = self.steps.get(&key).filter(|step| serves(step, &assignment));
            let step = kept.unwrap_or_else(|| {
                let call = bind_call(&self.component, &assignment);
                Step::new(assignment, call, &self.runner)
            });
            steps.insert(key, step);
        }
        let former = self.steps.all();
        self.steps.replace(steps);
        for step in former {
            if self.steps.get(&step.served.assignment.step).is_none() {
                step.close();
            }
        }
    }

    fn apply_listeners(&mut self, wanted: Vec<Assignment>) {
        let active: HashMap<StepKey, Assignment> =
            wanted.into_iter().filter(|one| !one.paused).map(|one| (one.step.clone(), one)).collect();
        self.listeners.retain(|step, (running, stop, _)| {
            let keep = active.get(step).is_some_and(|wanted| wanted == running);
            if !keep {
                stop.cancel();
            }
            keep
        });
        for (step, assignment) in active {
            if !self.listeners.contains_key(&step) {
                let stop = self.end.child_token();
                let listen = self.bind_listener(&assignment);
                let task = listener::keep(assignment.clone(), listen, Arc::clone(&self.runner), stop.clone());
                self.listeners.insert(step, (assignment, stop, self.tasks.spawn(task)));
            }
        }
    }

    fn start_lane(&mut self, queue: String, prefetch: u16) {
        let stop = self.end.child_token();
        let lane = Lane {
            queue: queue.clone(),
            prefetch,
            component: Arc::clone(&self.component),
            link: Arc::clone(&self.consuming),
            steps: self.steps.clone(),
            runner: Arc::clone(&self.runner),
            stop: stop.clone(),
        };
        self.tasks.spawn(lane.serve());
        self.lanes.insert(queue, stop);
    }

    fn bind_listener(&self, assignment: &Assignment) -> Result<Listen, Error> {
        let bound = match self.component.functions.get(assignment.function.as_str()) {
            Some(Function::Listener(bind)) => bind(&assignment.config),
            _ => Err(unknown_function(assignment)),
        };
        logged(bound, assignment)
    }
}

/// The function of an assignment, bound to its config.
pub(crate) fn bind_call(component: &Checked, assignment: &Assignment) -> Result<Call, Error> {
    let bound = match (component.functions.get(assignment.function.as_str()), assignment.role) {
        (Some(Function::Action(bind)), Role::Action) | (Some(Function::Polling(bind)), Role::Polling) => {
            bind(&assignment.config)
        }
        _ => Err(unknown_function(assignment)),
    };
    logged(bound, assignment)
}

/// Whether a running step serves this assignment as it is. Which lane its inputs come through, and whether that one is
/// read, is no matter of the step.
fn serves(step: &Step, assignment: &Assignment) -> bool {
    let Assignment {
        step: key,
        function,
        role,
        config,
        instance,
        concurrency,
        timeout_ms,
        routing_key,
        paused: _,
        revision: _,
        queue: _,
    } = &step.served.assignment;
    (key, function, role, config)
        == (&assignment.step, &assignment.function, &assignment.role, &assignment.config)
        && (instance, routing_key) == (&assignment.instance, &assignment.routing_key)
        && (concurrency, timeout_ms) == (&assignment.concurrency, &assignment.timeout_ms)
}

fn logged<T>(bound: Result<T, Error>, assignment: &Assignment) -> Result<T, Error> {
    if let Err(error) = &bound {
        error!(step.id = %assignment.step, code = error.code(), "the assignment cannot be served");
    }
    bound
}

fn unknown_function(assignment: &Assignment) -> Error {
    Error::fatal(
        "unknown_function",
        format_args!("the component has no `{}` of this role", assignment.function),
    )
}

/// The queues to consume, with how many deliveries to hold so that all runs stay busy.
fn desired_lanes(assignments: &[Assignment]) -> BTreeMap<String, u16> {
    let mut concurrency: BTreeMap<String, u32> = BTreeMap::new();
    for assignment in assignments.iter().filter(|one| !one.paused) {
        if let Some(queue) = &assignment.queue {
            let sum = concurrency.entry(queue.clone()).or_default();
            *sum = sum.saturating_add(assignment.concurrency);
        }
    }
    let prefetch = |sum: u32| u16::try_from(sum.saturating_mul(2).clamp(4, 64)).unwrap_or(64);
    concurrency.into_iter().map(|(queue, sum)| (queue, prefetch(sum))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(step: &str, queue: Option<&str>, concurrency: u32, paused: bool) -> Assignment {
        Assignment {
            step: step.parse().unwrap(),
            function: "write".parse().unwrap(),
            role: Role::Action,
            queue: queue.map(str::to_owned),
            config: serde_json::Value::Null,
            instance: None,
            concurrency,
            timeout_ms: 1000,
            routing_key: "00".to_owned(),
            paused,
            revision: None,
        }
    }

    #[test]
    fn steps_that_share_a_queue_share_a_consumer() {
        let assignments = [
            assignment("a", Some("q"), 3, false),
            assignment("b", Some("q"), 4, false),
            assignment("c", Some("r"), 1, false),
        ];
        assert_eq!(desired_lanes(&assignments), BTreeMap::from([("q".to_owned(), 14), ("r".to_owned(), 4)]));
    }

    #[test]
    fn a_queue_whose_steps_are_all_paused_is_not_consumed() {
        let assignments = [assignment("a", Some("q"), 100, true), assignment("b", None, 1, false)];
        assert!(desired_lanes(&assignments).is_empty());
    }
}
