//! A container of the simulated component: it asks the gateway, serves lanes and listens, as the SDK does.

mod lane;
mod listener;
mod publisher;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_domain::{DeploymentId, topology};
use sluice_engine::GatewayError;
use sluice_protocol::StepKey;
use sluice_protocol::gateway::{Assignment, Role, SessionRequest};
use sluice_testkit::fakes::MemoryBroker;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dice::Dice;
use crate::world::World;
pub(crate) use lane::timeout;
use publisher::Publisher;
use window::Window;

/// Deliveries that a lane has unacknowledged.
const PREFETCH: u16 = 8;

/// A running container.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) deployment: DeploymentId,
    token: String,
    client: MemoryBroker,
    publisher: Publisher,
    window: Window,
    steps: Mutex<BTreeMap<StepKey, Assignment>>,
    places: Mutex<BTreeMap<StepKey, Arc<Semaphore>>>,
    dice: Mutex<Dice>,
    /// What is under way.
    tasks: TaskTracker,
    /// It was killed.
    dead: CancellationToken,
    /// It was asked to end.
    pub(crate) stop: CancellationToken,
    /// A function took it down.
    pub(crate) crashed: Notify,
    /// It ended by itself.
    pub(crate) done: CancellationToken,
    /// A duty ended.
    ended: Notify,
}

impl Process {
    pub(crate) fn new(world: Arc<World>, deployment: DeploymentId, token: String) -> Arc<Self> {
        let client = world.broker.connect();
        let dice = Dice::new(world.plan.seed, &format!("process {}", client.client()));
        Arc::new(Self {
            publisher: Publisher::default(),
            window: Window::default(),
            steps: Mutex::default(),
            places: Mutex::default(),
            dice: Mutex::new(dice),
            tasks: TaskTracker::new(),
            dead: CancellationToken::new(),
            stop: CancellationToken::new(),
            crashed: Notify::new(),
            done: CancellationToken::new(),
            ended: Notify::new(),
            world,
            deployment,
            token,
            client,
        })
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn steps(&self) -> MutexGuard<'_, BTreeMap<StepKey, Assignment>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it as SIGKILL does.
    pub(crate) fn kill(&self) {
        self.client.kill();
        self.dead.cancel();
        self.world.source.forget(self.client.client());
    }

    /// Runs something for as long as the process lives.
    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let dead = self.dead.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = dead.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Starts it.
    pub(crate) fn start(self: &Arc<Self>) {
        self.world.observer.say(&format!("client {} starts for {}", self.client.client(), self.deployment));
        let process = self.clone();
        self.spawn(async move { process.main().await });
    }

    async fn main(self: Arc<Self>) {
        if self.open_session().await {
            self.spawn({
                let process = self.clone();
                async move { publisher::run(&process).await }
            });
            self.serve().await;
        }
        self.done.cancel();
    }

    /// Whether the gateway knows it.
    async fn open_session(&self) -> bool {
        while !self.stop.is_cancelled() {
            if let Some((engine, _)) = self.world.engine() {
                match engine.gateway_session(&self.token, SessionRequest::default()).await {
                    Ok(_) => return true,
                    Err(GatewayError::Unauthorized) => return false,
                    Err(_) => {}
                }
            }
            self.pause(500).await;
        }
        false
    }

    async fn pause(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Serves what it is assigned until it is asked to end, then what it had begun.
    async fn serve(self: &Arc<Self>) {
        let mut duties: BTreeMap<String, (CancellationToken, TaskTracker)> = BTreeMap::new();
        let (mut revision, mut last) = (0, Vec::new());
        while !self.stop.is_cancelled() {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.ended.notified() => self.take_up(&last, &mut duties),
                news = self.news(revision) => match news {
                    Some((next, assignments)) => {
                        self.world.observer.say(&format!("client {} has assignments {next:x}", self.client.client()));
                        (revision, last) = (next, assignments);
                        self.take_up(&last, &mut duties);
                    }
                    None => self.pause(300).await,
                }
            }
        }
        for (stop, _) in duties.values() {
            stop.cancel();
        }
        for (_, tasks) in duties.values() {
            tasks.close();
            tasks.wait().await;
        }
    }

    /// What is assigned now, once that is something else than before; nothing when the gateway does not answer.
    async fn news(&self, since: u64) -> Option<(u64, Vec<Assignment>)> {
        let (engine, stopped) = self.world.engine()?;
        loop {
            let asked = engine.gateway_assignments(&self.token, since, Duration::from_secs(10));
            let answer = tokio::select! {
                biased;
                () = stopped.cancelled() => return None,
                answer = asked => answer,
            };
            match answer {
                Ok(Some(found)) => return Some((found.revision, found.assignments)),
                Ok(None) => {}
                Err(GatewayError::Unauthorized) => {
                    self.stop.cancel();
                    return None;
                }
                Err(_) => return None,
            }
        }
    }

    /// Begins and ends duties.
    fn take_up(
        self: &Arc<Self>,
        assignments: &[Assignment],
        duties: &mut BTreeMap<String, (CancellationToken, TaskTracker)>,
    ) {
        let mut wanted: BTreeMap<String, Option<Assignment>> = BTreeMap::new();
        wanted.insert(topology::suspects_queue(self.deployment), None);
        wanted.insert(topology::LaneName::common(self.deployment).to_string(), None);
        for one in assignments {
            match (&one.queue, one.role) {
                (Some(queue), _) if !one.paused => drop(wanted.insert(queue.clone(), None)),
                (None, Role::Listener) => drop(wanted.insert(one.step.to_string(), Some(one.clone()))),
                _ => {}
            }
        }
        *self.steps() = assignments.iter().map(|one| (one.step.clone(), one.clone())).collect();
        duties.retain(|name, (stop, tasks)| {
            // One that is winding up is begun again only when it is through: else two would serve one lane.
            let over = stop.is_cancelled() && tasks.is_empty();
            if !wanted.contains_key(name) {
                stop.cancel();
            }
            !over
        });
        for (name, listener) in wanted {
            if duties.contains_key(&name) {
                continue;
            }
            let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
            let token = tasks.token();
            let (process, lane, ending) = (self.clone(), name.clone(), stop.clone());
            self.world.observer.say(&format!("client {} begins with {name}", self.client.client()));
            self.spawn(async move {
                match listener {
                    Some(assignment) => listener::run(&process, &assignment, &ending).await,
                    None => lane::run(&process, &lane, &ending).await,
                }
                drop(token);
                process.ended.notify_one();
            });
            duties.insert(name, (stop, tasks));
        }
    }
}
