//! Crash points: the orchestrator is ended, failed or delayed at each boundary between two effects, started again, and
//! asked for the books.
//!
//! The points are in the code of builds with debug assertions (`failpoint` in the ports). One world serves all cases: a
//! flow with books, a polling trigger, secrets, and what a case deploys and removes.

mod drives;
mod points;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use points::{Drive, POINTS, Point};

use crate::load::{self, Load, Shape};
use crate::{Figures, HttpSink, Ledger, Recorder, World, eventually};

/// How long a case may take until the point strikes, and from there until everything is as it should be.
const PATIENCE: Duration = Duration::from_secs(120);

/// Messages before the first case.
const FIRST: usize = 24;

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Blow {
    /// The process ends, and another is started.
    Abort,
    /// The step fails.
    Error,
    /// The step takes five seconds.
    Delay,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Abort, Self::Error, Self::Delay];

    /// As the orchestrator is told.
    fn setting(self, point: &Point) -> String {
        let blow = match self {
            Self::Abort => "abort",
            Self::Error => "error",
            Self::Delay => "delay:5s",
        };
        format!("{}={blow}@{}", point.name, point.nth)
    }
}

/// What came of a case.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// The point.
    pub point: &'static str,
    /// What happened there.
    pub blow: Blow,
    /// Seconds that the case took.
    pub seconds: f64,
    /// The books when it was over, of all cases so far.
    pub figures: Figures,
}

/// The world of the cases.
pub struct Bench {
    world: World,
    load: Load,
    ticks: Recorder,
    provider: HttpSink,
    sent: usize,
    deployed: usize,
    seed: u64,
    /// What the messages that were made to fail are called.
    letters: BTreeSet<String>,
    _books: TempDir,
}

/// What a world has on the broker and in the container engine.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    containers: BTreeSet<String>,
    lanes: BTreeSet<String>,
    users: usize,
}

impl Bench {
    /// Deploys everything in this world, which has the components of [`load::COMPONENTS`].
    ///
    /// # Errors
    /// When something does not come to run.
    pub async fn start(world: World, seed: u64) -> Result<Self> {
        let books = tempfile::tempdir()?;
        let folder = |name: &str| -> Result<_> {
            let folder = books.path().join(name);
            std::fs::create_dir(&folder)?;
            Ok(folder)
        };
        let load = Load::deploy(&world, &folder("load")?, &Shape::default()).await?;
        let ticks = Recorder::start(Arc::new(Ledger::create(&folder("ticks")?)?)).await?;
        let provider = HttpSink::start().await?;
        provider.answer(|asked| match asked.path.as_str() {
            "/token" => (200, json!({ "access_token": "crash", "token_type": "Bearer", "expires_in": 1 })),
            _ => (200, json!({ "ok": true })),
        });
        let text = drives::files(&ticks.url(&world.host), &provider.url(&world.host));
        world.api.apply(&text, json!({ "guarded": { "client_id": "c", "client_secret": "s" } })).await?;
        world.running("ticks").await?;
        // The first case may be over before one came by itself.
        eventually("the first tick", PATIENCE, || async { Ok((!ticks.bodies().is_empty()).then_some(())) })
            .await?;
        // Not every case sends messages, and books without any show nothing.
        let first = load::messages(seed, 0..FIRST);
        load.begin(first, 0.0).done(PATIENCE).await?;
        let letters = BTreeSet::new();
        Ok(Self { world, load, ticks, provider, sent: FIRST, deployed: 0, seed, letters, _books: books })
    }

    /// Runs a case.
    ///
    /// # Errors
    /// When the point is not reached, something is lost, or the world does not come to rest as it was before.
    pub async fn strike(&mut self, point: &Point, blow: Blow) -> Result<Case> {
        let begun = Instant::now();
        let case = self.strike_in_time(point, blow);
        let case = tokio::time::timeout(PATIENCE * 2, case).await;
        let figures = case.with_context(|| format!("{} {blow:?} took too long", point.name))?;
        let figures = figures.with_context(|| format!("{} {blow:?}", point.name))?;
        let seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        Ok(Case { point: point.name, blow, seconds, figures })
    }

    async fn strike_in_time(&mut self, point: &Point, blow: Blow) -> Result<Figures> {
        drives::prepare(self, point.drive).await?;
        let before = eventually("a user for each container", PATIENCE, || async {
            let now = self.belongings().await?;
            ensure!(now.users == now.containers.len(), "{now:?}");
            Ok(Some(now))
        })
        .await?;
        let struck = self.strikes(point)?;
        self.world.kill().await?;
        self.world.launch(&[("SLUICE_FAILPOINT", &blow.setting(point))])?;
        let plan = drives::plan(self, point.drive);
        let log = self.world.data().join("log");
        let (driven, watched) = {
            let Self { world, load, ticks, provider, .. } = self;
            let api = world.api.clone();
            let stage = drives::Stage { api, load, ticks, provider };
            let watch = async {
                let needle = format!("failpoint {} struck", point.name);
                eventually(&format!("the point {} to strike", point.name), PATIENCE, || async {
                    Ok((count(&std::fs::read_to_string(&log)?, &needle) > struck).then_some(()))
                })
                .await?;
                if blow == Blow::Abort {
                    let status = world.ended(Duration::from_secs(90)).await?;
                    ensure!(!status.success(), "it ended well at {}", point.name);
                    world.launch(&[])?;
                }
                ensure!(world.ready(PATIENCE).await?, "it ended again after {}", point.name);
                Ok(())
            };
            tokio::join!(drives::drive(&stage, plan), watch)
        };
        watched?;
        driven?;
        // The container of functions that are called from outside goes with a restart.
        let before = (point.drive != Drive::Refresh).then_some(before);
        self.settled(before.as_ref()).await
    }

    fn strikes(&self, point: &Point) -> Result<usize> {
        let log = std::fs::read_to_string(self.world.data().join("log"))?;
        Ok(count(&log, &format!("failpoint {} struck", point.name)))
    }

    /// Waits until all books agree and everything is as it was; the figures.
    async fn settled(&self, before: Option<&Belongings>) -> Result<Figures> {
        let ledger = &self.load.ledger;
        eventually("everything that was accepted", PATIENCE, || async {
            let missing = ledger.missing(&self.letters);
            ensure!(missing.is_empty(), "{} are missing, {:?} first", missing.len(), missing.first());
            Ok(Some(()))
        })
        .await?;
        let dead = eventually("the dead letters", PATIENCE, || async {
            let dead = dead(&self.world, Some("waiting")).await?;
            let missing: Vec<_> = ledger.missing(&dead);
            ensure!(missing.is_empty(), "no dead letters: {missing:?}");
            Ok(Some(dead))
        })
        .await?;
        eventually("the lanes to be empty", PATIENCE, || async {
            let queues = self.world.broker.call("GET", &["queues", self.world.broker.vhost()], None).await?;
            let busy = |queue: &&Value| queue["messages"].as_u64().is_some_and(|messages| messages > 0);
            let busy = queues.as_array().context("no list")?.iter().find(busy);
            // The polling trigger never rests.
            let ticks = busy.is_none_or(|queue| queue["messages"].as_u64() < Some(5));
            ensure!(ticks, "{}", busy.map_or(&Value::Null, |queue| &queue["name"]));
            Ok(Some(()))
        })
        .await?;
        eventually("containers, lanes and users as before", PATIENCE, || async {
            let now = self.belongings().await?;
            ensure!(before.is_none_or(|before| now == *before), "now {now:?}, before {before:?}");
            Ok(Some(()))
        })
        .await?;
        let figures = ledger.books()?.figures(&dead, &BTreeSet::new());
        ensure!(figures.delivered_unique > 0, "nothing was delivered, so this shows nothing");
        let sound = figures.lost == 0 && figures.unexpected == 0 && figures.changed == 0;
        ensure!(sound, "{figures:?}");
        drives::ticks_are_whole(&self.ticks.bodies())?;
        Ok(figures)
    }

    async fn belongings(&self) -> Result<Belongings> {
        let world = &self.world;
        // A lane of a step's own comes and goes with what there is to do.
        let shared = |name: &String| {
            name.starts_with("v1.q.") && name.rsplit('.').next().is_some_and(|lane| lane.len() < 26)
        };
        let lanes = world.broker.queues().await?.into_iter().filter(shared);
        Ok(Belongings {
            containers: world.containers().await?.into_iter().collect(),
            lanes: lanes.collect(),
            users: world.broker.users(&format!("sluice-{}-", world.name)).await?.len(),
        })
    }

    /// Ends the world and removes what it made.
    ///
    /// # Errors
    /// When something stays.
    pub async fn stop(self) -> Result<()> {
        self.world.stop().await
    }
}

fn count(text: &str, needle: &str) -> usize {
    text.matches(needle).count()
}

/// What the source calls the messages that are dead letters.
///
/// # Errors
/// When the API does not answer.
pub async fn dead(world: &World, state: Option<&str>) -> Result<BTreeSet<String>> {
    let letters = letters(&world.api, load::FLOW, state).await?;
    Ok(letters.iter().filter_map(id_of).collect())
}

/// All dead letters of a flow.
///
/// # Errors
/// When the API does not answer.
pub async fn letters(api: &crate::Api, flow: &str, state: Option<&str>) -> Result<Vec<Value>> {
    let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/dead-letters?flow={flow}&limit=1000{state}{cursor}")).await?;
        all.extend(page["items"].as_array().context("no list")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// What the source calls a dead letter's message. A body that is too long for the list is cut, and begins with the id.
#[must_use]
pub fn id_of(letter: &Value) -> Option<String> {
    if let Some(id) = letter["body"]["value"]["id"].as_str() {
        return Some(id.to_owned());
    }
    let (_, rest) = letter["body"]["beginning"].as_str()?.split_once("\"id\":")?;
    Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned())
}
