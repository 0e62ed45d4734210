//! Everything around the engine, and the engine in it, which comes and goes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_domain::{DeploymentId, Intent};
use sluice_engine::{ApplyRequest, DeploymentStatus, DeploymentView, Engine, FlowRef, Settings};
use sluice_planner::SourceFile;
use sluice_ports::runtime::Image;
use sluice_ports::store::FlowStore;
use sluice_ports::{Clock, Ports};
use sluice_testkit::fakes::{
    MemoryBroker, MemoryOAuth, MemoryRuntime, MemoryStore, MemoryUsers, MemoryVault,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::containers::{Containers, Seen};
use crate::dice::{Dice, SeededEntropy};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::reference::Reference;
use crate::source::{Item, Source};

const IMAGE: &str = "sluice/sim:1.0.0";

/// Everything around the engine.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) broker: MemoryBroker,
    pub(crate) store: MemoryStore,
    pub(crate) containers: Containers,
    pub(crate) source: Source,
    pub(crate) observer: Arc<Observer>,
    pub(crate) reference: Arc<Reference>,
    users: Arc<MemoryUsers>,
    vault: Arc<MemoryVault>,
    clock: Arc<SimulatedClock>,
    entropy: Arc<SeededEntropy>,
    slot: Mutex<Option<Running>>,
    applied: AtomicU64,
}

/// An orchestrator process.
struct Running {
    engine: Arc<Engine>,
    stop: CancellationToken,
    broker: Arc<MemoryBroker>,
    store: Arc<MemoryStore>,
    runtime: Arc<Seen>,
}

/// A wall clock that goes with tokio's clock, which the simulation moves.
struct SimulatedClock(Instant);

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800) + self.0.elapsed()
    }
}

impl World {
    /// A world in which nothing runs yet.
    pub(crate) fn new(plan: Plan, verbose: bool) -> Arc<Self> {
        let (broker, store) = (MemoryBroker::default(), MemoryStore::default());
        let clock = Arc::new(SimulatedClock(Instant::now()));
        let runtime = MemoryRuntime::new(clock.clone());
        let descriptor = serde_json::json!({
            "name": "sim", "version": "1.0.0", "title": "Simulated",
            "triggers": { "listen": { "title": "Listen", "kind": "listener" } },
            "actions": { "act": { "title": "Act", "ports": ["out", "rejected"] } }
        });
        let digest = format!("sha256:{}", "0".repeat(64)).parse().expect("a digest");
        let image = Image { digest, descriptor: Some(descriptor.to_string()) };
        runtime.add_image(IMAGE.parse().expect("an image"), image);
        let reference = Arc::new(Reference::new(plan.temper.clone(), store.reopen()));
        let observer = Arc::new(Observer::new(reference.clone(), store.reopen(), verbose));
        broker.keep_time();
        broker.set_witness(observer.clone());
        let mut dice = Dice::new(plan.seed, "messages");
        let items = plan.messages.iter().map(|(number, at)| {
            let body = crate::deeds::body(&mut dice);
            (*at, Item { number: *number, body })
        });
        Arc::new(Self {
            source: Source::new(items.collect::<Vec<_>>()),
            entropy: Arc::new(SeededEntropy(Mutex::new(Dice::new(plan.seed, "entropy")))),
            plan,
            broker,
            store,
            containers: Containers::new(runtime),
            observer,
            reference,
            users: Arc::default(),
            vault: Arc::default(),
            clock,
            slot: Mutex::default(),
            applied: AtomicU64::new(0),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Running>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine that runs, if one does, and what says that it is asked to end.
    pub(crate) fn engine(&self) -> Option<(Arc<Engine>, CancellationToken)> {
        self.slot().as_ref().map(|running| (running.engine.clone(), running.stop.clone()))
    }

    /// Starts an orchestrator process, however long that takes.
    pub(crate) async fn start_engine(self: &Arc<Self>) {
        let broker = Arc::new(self.broker.connect());
        let store = Arc::new(self.store.reopen());
        let runtime = Arc::new(Seen { world: self.clone(), dead: AtomicBool::new(false) });
        self.observer.engine(broker.client());
        let ports = Ports {
            broker: broker.clone(),
            users: Some(self.users.clone()),
            watch: None,
            spans: None,
            runtime: runtime.clone(),
            store: store.clone(),
            oauth: Arc::new(MemoryOAuth::default()),
            vault: self.vault.clone(),
            notifier: None,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        };
        self.observer.say(&format!("orchestrator {} starts", broker.client()));
        // A lot of its own, so that seeds keep their meaning.
        let mut dice = Dice::new(self.plan.seed, "lanes");
        let settings = Settings {
            busy: [1, 3, 16][usize::try_from(dice.below(3)).unwrap_or(0)],
            idle_timeout: (dice.below(3) == 0).then_some(Duration::from_secs(20)),
            quiet: Duration::from_secs(if dice.below(2) == 0 { 3 } else { 60 }),
            workers: 0,
            prefetch: self.plan.prefetch,
            recorded_per_second: if self.plan.recorded { u32::MAX } else { 0 },
            grace: Duration::from_secs(5),
            ..Settings::default()
        };
        let stop = CancellationToken::new();
        let engine = loop {
            match Engine::start(ports.clone(), settings.clone(), stop.clone()).await {
                Ok(engine) => break engine,
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        };
        *self.slot() = Some(Running { engine, stop, broker, store, runtime });
    }

    /// Ends the orchestrator process as SIGKILL does; whether there was one.
    pub(crate) fn crash_engine(&self) -> bool {
        let Some(running) = self.slot().take() else { return false };
        running.end();
        running.stop.cancel();
        true
    }

    /// Ends the orchestrator process as SIGTERM does; whether there was one.
    pub(crate) async fn stop_engine(&self) -> bool {
        let Some(running) = self.slot().take() else { return false };
        running.stop.cancel();
        running.engine.join().await;
        running.end();
        true
    }

    /// Cuts the orchestrator's connections to the broker.
    pub(crate) fn cut_engine(&self) {
        if let Some(running) = self.slot().as_ref() {
            running.broker.drop_my_connections();
        }
    }

    /// Installs the component and applies the first version of the flow.
    pub(crate) async fn deploy(&self) {
        let (engine, _) = self.engine().expect("it was started");
        engine.install_connector(&IMAGE.parse().expect("an image")).await.expect("the image is there");
        assert!(self.update().await, "the template of seed {} cannot be applied", self.plan.seed);
    }

    /// Applies the next version of the flow; whether that succeeded.
    pub(crate) async fn update(&self) -> bool {
        let Some((engine, _)) = self.engine() else { return false };
        let version = self.applied.fetch_add(1, Ordering::SeqCst);
        let Some(shape) = usize::try_from(version).ok().and_then(|index| self.plan.shapes.get(index)) else {
            return false;
        };
        let file = SourceFile { name: "flow.json".into(), text: shape.file(version) };
        let applied = engine.apply(ApplyRequest { files: vec![file], ..ApplyRequest::default() }).await;
        if let Err(sluice_engine::CommandError::Invalid(report)) = &applied {
            panic!("seed {}: {report}", self.plan.seed);
        }
        applied.is_ok()
    }

    /// Says what is wanted of the flow until somebody hears it.
    pub(crate) async fn want(&self, intent: Intent) {
        loop {
            if let Some((engine, _)) = self.engine() {
                let flow = FlowRef::Name("simulated".parse().expect("a name"));
                if engine.set_intent(&flow, intent).await.is_ok() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.source.left() == 0 && self.left().is_empty()
    }

    /// The queues that hold something.
    pub(crate) fn left(&self) -> Vec<String> {
        let held =
            |queue: &String| !self.broker.waiting(queue).is_empty() || self.broker.unacknowledged(queue) > 0;
        self.broker.queues().into_iter().filter(held).collect()
    }

    /// The deployments that have no container because nothing is to be done.
    pub(crate) async fn asleep(&self) -> BTreeSet<DeploymentId> {
        let Some((engine, _)) = self.engine() else { return BTreeSet::new() };
        let idle = |one: &&DeploymentView| one.status == DeploymentStatus::Idle;
        engine.deployments().await.unwrap_or_default().iter().filter(idle).map(|one| one.spec.id).collect()
    }

    /// The deployments that the flow's current version needs.
    pub(crate) async fn wanted(&self) -> BTreeSet<DeploymentId> {
        let flows = self.store.flows().await.unwrap_or_default();
        let current = flows.iter().filter_map(|flow| self.store.kept_version(flow.id, flow.version));
        current.flat_map(|flow| flow.deployments().iter().map(|spec| spec.id).collect::<Vec<_>>()).collect()
    }
}

impl Running {
    fn end(&self) {
        self.broker.kill();
        self.store.kill();
        self.runtime.dead.store(true, Ordering::SeqCst);
    }
}
