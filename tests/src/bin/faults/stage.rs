//! What a fault is made to: a flow under load with its books, on a node of its own; and how its row comes about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sluice_tests::load::{self, COMPONENTS, Load, Message, Shape, Sources};
use sluice_tests::{World, crash, docker, eventually};
use tempfile::TempDir;

use crate::host::in_network_of;
use crate::log::first_sign;
use crate::node::Node;
use crate::row::{Row, Times};

/// How long a load may take to get through once nothing is in its way.
const PATIENCE: Duration = Duration::from_secs(480);
/// How long nothing may arrive until no more is waited for: what is lost never comes. Longer than a container that ends
/// again and again is held back.
const SILENCE: Duration = Duration::from_secs(100);
/// How long what a flow had may take to go. Broker users that nobody knows are looked for every minute.
const CLEARED: Duration = Duration::from_secs(90);

/// What all faults share.
pub(crate) struct Cx {
    /// The broker.
    pub(crate) node: Node,
    /// Decides the data of messages and the moments of faults.
    pub(crate) seed: u64,
    /// Messages of a load.
    pub(crate) messages: usize,
    /// How long the broker is away where that is the fault.
    pub(crate) outage: Duration,
    /// How long the combined faults last.
    pub(crate) soak: Duration,
}

/// How a load is set up.
pub(crate) struct Setup<'a> {
    pub(crate) shape: Shape,
    /// Components besides those of an ordinary load.
    pub(crate) components: &'a [&'a str],
    /// Share of the messages of an ordinary load.
    pub(crate) share: f64,
    /// Messages a second.
    pub(crate) rate: f64,
    /// Where the store is; a folder of its own when absent.
    pub(crate) data: Option<&'a Path>,
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// What a message makes the step in the middle do, by its number.
    pub(crate) deed: fn(usize) -> Option<Value>,
    /// Whether the source begins at once.
    pub(crate) begins: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            components: &[],
            share: 1.0,
            rate: 150.0,
            data: None,
            settings: &[],
            deed: |_| None,
            begins: true,
        }
    }
}

/// A flow under load.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) load: Load,
    /// For what is decided by chance.
    pub(crate) rng: StdRng,
    pub(crate) row: Row,
    /// Whether it is looked for what stays when the flow is deleted.
    pub(crate) clears: bool,
    messages: Vec<Message>,
    rate: f64,
    sources: Option<Sources>,
    begun: Instant,
    times: Times,
    _books: TempDir,
}

impl Cx {
    /// Makes a world with the flow, and begins the load.
    ///
    /// # Errors
    /// When the flow does not come to run.
    pub(crate) async fn begin(&self, setup: Setup<'_>) -> Result<Run> {
        let begun = Instant::now();
        let broker = self.node.broker("fault").await?;
        let components = [&COMPONENTS[..], setup.components].concat();
        let world = World::start_on(broker, setup.data, &components, setup.settings).await?;
        let books = tempfile::tempdir()?;
        let load = Load::deploy(&world, books.path(), &setup.shape).await?;
        let count = ((self.messages as f64 * setup.share) as usize).max(20);
        let mut messages = load::messages(self.seed, 0..count);
        for (number, message) in messages.iter_mut().enumerate() {
            message.deed = (setup.deed)(number);
        }
        let rng = StdRng::seed_from_u64(self.seed);
        let mut run = Run {
            world,
            load,
            rng,
            row: Row::default(),
            clears: true,
            messages,
            rate: setup.rate,
            sources: None,
            begun,
            times: Times::default(),
            _books: books,
        };
        if setup.begins {
            run.send();
        }
        Ok(run)
    }
}

impl Run {
    /// Begins the load, if it was not begun at once; once more, with the same messages, if it was.
    pub(crate) fn send(&mut self) {
        self.sources = Some(self.load.begin(self.messages.clone(), self.rate));
    }

    /// How many messages the load has.
    pub(crate) fn count(&self) -> usize {
        self.messages.len()
    }

    /// Waits until a share of the messages arrived.
    pub(crate) async fn at(&self, share: f64) -> Result<()> {
        let wanted = (self.count() as f64 * share) as usize;
        eventually(&format!("{wanted} messages at the sink"), PATIENCE, || async {
            let arrived = self.load.ledger.arrived();
            ensure!(arrived >= wanted, "{arrived} of {wanted}, accepted {}", self.load.ledger.taken());
            Ok(Some(()))
        })
        .await
    }

    /// Waits until a share of the messages arrived that the seed decides.
    pub(crate) async fn somewhere(&mut self, from: f64, to: f64) -> Result<()> {
        let share = self.rng.random_range(from..to);
        self.at(share).await
    }

    /// The fault is made now. The first time counts.
    pub(crate) fn strike(&mut self) {
        self.times.struck.get_or_insert_with(|| (self.load.ledger.now(), std::time::SystemTime::now()));
    }

    /// The fault is over now. The last time counts.
    pub(crate) fn mended(&mut self) {
        self.times.mended = Some(self.load.ledger.now());
    }

    /// The fault was noticed now, by what this row looks at. The first time counts.
    pub(crate) fn detected(&mut self) {
        let now = self.load.ledger.now();
        self.times.detected.get_or_insert(now);
    }

    /// Kills the container of a component.
    pub(crate) async fn kill_container(&self, component: &str) -> Result<()> {
        docker(&["kill", &self.world.container(component).await?]).await.map(|_| ())
    }

    /// Runs a command in the network of a component's container.
    pub(crate) async fn in_network(&self, component: &str, arguments: &[&str]) -> Result<()> {
        in_network_of(self.world.process(component).await?, arguments).await.map(|_| ())
    }

    /// When each container of the world was started.
    pub(crate) async fn started(&self) -> Result<BTreeMap<String, String>> {
        let mut started = BTreeMap::new();
        for name in self.world.containers().await? {
            let at = docker(&["inspect", "--format", "{{.State.StartedAt}}", &name]).await?;
            started.insert(name, at);
        }
        Ok(started)
    }

    /// How many connections to the broker come from a component's container.
    pub(crate) async fn connections(&self, component: &str) -> Result<usize> {
        let container = self.world.container(component).await?;
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = docker(&["inspect", "--format", format, &container]).await?;
        let path = ["vhosts", self.world.broker.vhost(), "connections"];
        let all = self.world.broker.call("GET", &path, None).await?;
        let own = |one: &&Value| one["peer_host"].as_str().is_some_and(|host| host.ends_with(&address));
        Ok(all.as_array().context("no list")?.iter().filter(own).count())
    }

    /// The deployment of a component, as the API shows it.
    pub(crate) async fn deployment(&self, component: &str) -> Result<Value> {
        let all = self.world.api.get("/api/v1/deployments").await?;
        let all = all["items"].as_array().or_else(|| all.as_array()).context("no list")?;
        let found = all.iter().find(|deployment| deployment["component"] == component);
        found.cloned().with_context(|| format!("no deployment of {component}"))
    }

    /// The orchestrator's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.world.data().join("log")).unwrap_or_default()
    }

    /// What the source calls the messages that are dead letters now.
    pub(crate) async fn dead(&self) -> Result<BTreeSet<String>> {
        crash::dead(&self.world, Some("waiting")).await
    }

    /// Lets the source begin nothing more.
    pub(crate) fn enough(&self) {
        if let Some(sources) = &self.sources {
            sources.enough();
        }
    }

    /// Waits until everything is accepted and accounted for.
    pub(crate) async fn drained(&mut self) -> Result<()> {
        if let Some(sources) = self.sources.take() {
            sources.done(PATIENCE).await?;
        }
        let begun = Instant::now();
        let mut arrived = (self.load.ledger.arrived(), Instant::now());
        while begun.elapsed() < PATIENCE && arrived.1.elapsed() < SILENCE {
            let known = self.dead().await.unwrap_or_default();
            let now = self.load.ledger.arrived() + known.len();
            if self.load.ledger.missing(&known).is_empty() {
                break;
            }
            if now != arrived.0 {
                arrived = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Waits until everything is accounted for, reads the books, deletes the flow and looks at what stays.
    pub(crate) async fn finish(mut self) -> Result<Row> {
        self.drained().await?;
        self.lanes_empty().await;
        let dead = self.dead().await?;
        let books = self.load.ledger.books()?;
        self.row.figures = books.figures(&dead, &BTreeSet::new());
        let log = self.log();
        self.row.seconds_of(&self.times, &books, |since| first_sign(&log, since));
        self.row.refused = self.load.refusals();
        self.row.judge();
        if self.clears {
            let left = self.clear().await?;
            self.row.orphans(&left);
        }
        self.row.seconds = self.begun.elapsed().as_secs_f64().round();
        self.world.stop().await?;
        Ok(self.row)
    }

    async fn lanes_empty(&mut self) {
        let world = &self.world;
        let empty = eventually("the lanes to be empty", SILENCE, || async {
            let queues = world.broker.call("GET", &["queues", world.broker.vhost()], None).await?;
            let busy = |queue: &&Value| queue["messages"].as_u64() != Some(0);
            let busy = queues.as_array().context("no list")?.iter().find(busy);
            ensure!(busy.is_none(), "{}", busy.map_or(&Value::Null, |queue| &queue["name"]));
            Ok(Some(()))
        })
        .await;
        if let Err(error) = empty {
            self.row.check(&format!("nothing waits in the end ({error:#})"), false);
        }
    }

    /// Deletes every flow; what is left of them after a while.
    async fn clear(&self) -> Result<Vec<String>> {
        let world = &self.world;
        let flows = world.api.get("/api/v1/flows").await?;
        for flow in flows["items"].as_array().context("no list")? {
            let name = flow["name"].as_str().context("no name")?;
            // What waits in it for a container that never runs goes with it.
            world.api.call("DELETE", &format!("/api/v1/flows/{name}?discard=true"), None).await?;
        }
        let begun = Instant::now();
        loop {
            let mut left = world.containers().await?;
            left.extend(world.broker.queues().await?.into_iter().filter(|name| name.starts_with("v1.q.")));
            left.extend(world.broker.users(&format!("sluice-{}-", world.name)).await?);
            if left.is_empty() || begun.elapsed() > CLEARED {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Applies a flow besides the load.
    pub(crate) async fn apply(&self, text: &str) -> Result<Value> {
        self.world.api.apply(text, json!({})).await
    }
}
