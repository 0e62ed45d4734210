//! The processes of a container, one for each step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use sluice_families::{Adoption, CARRY, Errand, EventKind, Family, Foreign, Step};
use sluice_sdk::{Context, Error};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::broker::Confirm;
use crate::child::{Child, Late, Start, merged};
use crate::run::output;

/// How long a process without work goes on.
const IDLE: Duration = Duration::from_secs(600);
/// How often it is looked for such processes.
const EVERY: Duration = Duration::from_secs(60);
/// Most messages that a process has at a time. How many there really are the step's concurrency says.
const PREFETCH: u16 = 100;

/// How many processes for errands there are at a time: each takes some 75 MB.
const ERRANDS: usize = 2;

type Place = Arc<tokio::sync::Mutex<Option<Arc<Child>>>>;

/// The processes by the step that they serve.
pub(crate) struct Pool {
    adoption: Adoption,
    /// The family, for what is asked of it before there is a process.
    family: Box<dyn Family>,
    places: Mutex<HashMap<String, Place>>,
    sweeping: std::sync::Once,
    errands: Semaphore,
}

/// What a step remembers from before this process of ours.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) snapshot: Option<Value>,
    /// Whether the orchestrator keeps it: of an action.
    pub(crate) keeps: bool,
    /// Whether it does not keep this one yet.
    pub(crate) unkept: bool,
    /// What its hook `startup` returned.
    pub(crate) startup: Option<Value>,
    /// Whether `startup` is to be run, unless it was.
    pub(crate) hooked: bool,
}

impl Pool {
    pub(crate) fn new(adoption: Adoption) -> Arc<Self> {
        Arc::new(Self {
            family: adoption.family.family(adoption.version.as_ref()),
            adoption,
            places: Mutex::default(),
            sweeping: std::sync::Once::new(),
            errands: Semaphore::new(ERRANDS),
        })
    }

    /// A function by our name for it.
    pub(crate) fn function(&self, name: &str) -> Option<&Foreign> {
        self.adoption.functions.iter().find(|(ours, _)| ours.as_str() == name).map(|(_, foreign)| foreign)
    }

    /// The process that serves the step of a run. One that was given another config is replaced: it reads it once.
    ///
    /// # Errors
    /// When the config asks for what is not here, the credentials cannot be had, or it does not start.
    pub(crate) async fn child(
        self: &Arc<Self>,
        cx: &Context,
        foreign: &Foreign,
        config: &Value,
        mut remembered: Remembered,
    ) -> Result<Arc<Child>, Error> {
        let pool = Arc::clone(self);
        self.sweeping.call_once(move || drop(tokio::spawn(pool.sweep())));
        if let Some(why) = self.family.refuses(config) {
            return Err(Error::fatal("not_offered", why));
        }
        if remembered.hooked && !self.family.hooks() {
            return Err(Error::fatal(
                "not_offered",
                "the library of this component knows no hooks: leave `_hooks` out",
            ));
        }
        let (wanted, secrets) = self.wanted(cx, config).await?;
        let place = self.place(cx, foreign);
        let mut child = place.lock().await;
        if let Some(known) = child.as_ref().filter(|known| known.is_alive()) {
            if known.config == wanted {
                known.note(cx);
                return Ok(Arc::clone(known));
            }
            info!(step.id = %cx.step(), "the config or the credentials changed; the component starts anew");
            Arc::clone(known).leave();
        }
        if let Some(known) = child.as_ref() {
            remembered.snapshot = Some(known.snapshot());
            remembered.unkept = known.is_unkept();
            remembered.startup = known.startup().or(remembered.startup);
        } else if remembered.keeps {
            remembered.snapshot = cx.state().await?;
        }
        let mut step = self.step(cx, foreign, config);
        step.startup = remembered.hooked && remembered.startup.is_none();
        let started = Child::start(self.start((cx, step), wanted, remembered, secrets)?).await?;
        started.note(cx);
        *child = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Starts a process for an errand and waits for its end. Gives what it told.
    ///
    /// # Errors
    /// When the credentials cannot be had, or the errand fails.
    pub(crate) async fn errand(
        self: &Arc<Self>,
        cx: &Context,
        step: Step,
        (config, remembered): (&Value, Remembered),
        errand: Errand<'_>,
    ) -> Result<Option<Value>, Error> {
        let _turn = self.errands.acquire().await.ok();
        let (wanted, secrets) = self.wanted(cx, config).await?;
        let start = self.start((cx, step), wanted, remembered, secrets)?;
        Child::run_errand(cx, start, errand).await
    }

    /// Ends the processes that serve a step, of all versions of its flow, and forgets them.
    pub(crate) async fn end(&self, step: &Step) {
        let (begins, ends) = (format!("{}/", step.flow), format!("/{} {}", step.step, step.function));
        let places: Vec<Place> = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let of_step =
                places.iter().filter(|(name, _)| name.starts_with(&begins) && name.ends_with(&ends));
            of_step.map(|(_, place)| Arc::clone(place)).collect()
        };
        for place in places {
            if let Some(child) = place.lock().await.take() {
                child.leave();
            }
        }
    }

    /// What a process is given as its config, and the secrets in it.
    async fn wanted(&self, cx: &Context, config: &Value) -> Result<(Value, Value), Error> {
        let credentials = cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let secrets = self.parsed(credentials.secrets);
        Ok((merged(config, &credentials.settings, &secrets), Value::Object(secrets)))
    }

    fn place(&self, cx: &Context, foreign: &Foreign) -> Place {
        // Tries of one and the same step may name several functions.
        let name = format!("{} {}", cx.step(), foreign.name);
        Arc::clone(self.places.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default())
    }

    fn start<'a>(
        self: &'a Arc<Self>,
        (cx, step): (&Context, Step),
        config: Value,
        remembered: Remembered,
        secrets: Value,
    ) -> Result<Start<'a>, Error> {
        Ok(Start {
            adoption: &self.adoption,
            step,
            config,
            snapshot: remembered.snapshot.unwrap_or_else(|| Value::Object(Map::new())),
            keeps: remembered.keeps,
            unkept: remembered.unkept,
            startup: remembered.startup,
            late: late(cx)?,
            proxy: cx.egress().proxy_url(),
            hidden: texts(&secrets),
            secrets: {
                let pool = Arc::clone(self);
                Box::new(move |secrets| pool.parsed(secrets))
            },
        })
    }

    /// Secrets, those whose text is JSON as what they say.
    pub(crate) fn parsed(&self, mut secrets: Map<String, Value>) -> Map<String, Value> {
        for name in &self.adoption.parsed {
            let text = secrets.get(name).and_then(Value::as_str);
            if let Some(value) = text.and_then(|text| serde_json::from_str(text).ok()) {
                secrets.insert(name.clone(), value);
            }
        }
        secrets
    }

    /// What a process is told of the step of a run.
    pub(crate) fn step(&self, cx: &Context, foreign: &Foreign, config: &Value) -> Step {
        let parts: Vec<&str> = cx.step().as_str().split('/').collect();
        let at = match parts.as_slice() {
            [flow, _, step] => (*flow, *step),
            _ => ("flow", cx.step().as_str()),
        };
        self.step_of(at, foreign, config)
    }

    /// What a process is told of a step of a flow.
    pub(crate) fn step_of(&self, (flow, step): (&str, &str), foreign: &Foreign, config: &Value) -> Step {
        Step {
            flow: flow.to_owned(),
            step: step.to_owned(),
            container: uuid::Uuid::new_v4().simple().to_string(),
            component: self.adoption.family.to_string(),
            function: foreign.name.clone(),
            prefetch: PREFETCH,
            passthrough: config[CARRY] == true,
            startup: false,
        }
    }

    /// Ends processes that had nothing to do for long. The next message starts one again.
    async fn sweep(self: Arc<Self>) {
        let mut timer = tokio::time::interval(EVERY);
        loop {
            timer.tick().await;
            let places: Vec<(String, Place)> = {
                let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                places.iter().map(|(name, place)| (name.clone(), Arc::clone(place))).collect()
            };
            for (name, place) in places {
                let Ok(child) = place.try_lock() else { continue };
                let idle = |child: &Arc<Child>| {
                    child.is_alive() && child.idle_since().is_some_and(|since| since + IDLE < Instant::now())
                };
                if let Some(child) = child.as_ref().filter(|child| idle(child)) {
                    info!(step = name, "the component had nothing to do for long; it ends");
                    child.stop.cancel();
                }
            }
        }
    }
}

/// All texts in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// What takes messages that come after their run has ended: each begins an execution of its own.
fn late(cx: &Context) -> Result<Late, Error> {
    let (emitter, step) = (cx.emitter()?, cx.step().to_string());
    Ok(Box::new(move |kind, confirm: Confirm| {
        let EventKind::Data { body, headers } = kind else {
            warn!(step.id = step, ?kind, "the component told something of a run that has ended");
            return confirm.taken();
        };
        let (emitter, step) = (emitter.clone(), step.clone());
        tokio::spawn(async move {
            match emitter.send(None, output(body, headers)).await {
                Ok(()) => confirm.taken(),
                // It is published again.
                Err(error) => warn!(step.id = step, %error, "a late message was not taken"),
            }
        });
    }))
}
