//! Runs the functions of a component without a broker, for the tests of its author.
//!
//! A harness checks what the orchestrator and the router would check: the descriptor against the implementations,
//! settings, secrets, configs and inputs against their JSON Schemas.

mod doubles;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use sluice_protocol::gateway;
use sluice_protocol::{ErrorInfo, Headers, MessageId, Output, StepKey};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::component::Checked;
use crate::context::{Context, Inner, Sink};
use crate::credentials::CredentialCache;
use crate::emitter::Outlet;
use crate::function::{Finished, Function, RawInput};
use crate::orchestrator::Orchestrator;
use crate::{Component, Emitter, Error, Outputs};
use doubles::{Fixed, Refresh, Told};

/// The instance that a harness with settings or secrets has.
const INSTANCE: &str = "inst_test";
/// How long a listener may take to emit what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A component under test.
pub struct Harness {
    component: Checked,
    settings: Option<Map<String, Value>>,
    secrets: Map<String, Value>,
    /// What refreshes lead to.
    refresh: Refresh,
    headers: Headers,
    id: MessageId,
    attempt: u32,
    trace: bool,
    orchestrator: Arc<Told>,
    depth: u8,
}

/// What a poll gave.
#[derive(Debug)]
pub struct PollResult {
    /// What it emitted.
    pub outputs: Vec<Output>,
    /// The cursor for the next poll.
    pub state: Option<Value>,
}

impl Harness {
    /// Puts a component under test.
    ///
    /// # Panics
    /// When the descriptor and the implementations differ, with all differences.
    #[must_use]
    pub fn new(component: Component) -> Self {
        crate::tls::install_provider();
        match component.check() {
            Ok(component) => Self {
                component,
                settings: None,
                secrets: Map::new(),
                refresh: Refresh::Nothing,
                headers: Headers::new(),
                id: MessageId::from_bits(1),
                attempt: 1,
                trace: false,
                orchestrator: Arc::default(),
                depth: 0,
            },
            Err(faults) => {
                let lines: Vec<String> = faults.iter().map(|fault| crate::chain(fault)).collect();
                panic!("{}", lines.join("\n"));
            }
        }
    }

    /// The instance's settings.
    ///
    /// # Panics
    /// When they are no object, or the descriptor's schema refuses them.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        fits("settings", self.component.descriptor.settings.as_ref(), &settings);
        self.settings = Some(object(settings));
        self
    }

    /// The instance's secrets.
    ///
    /// # Panics
    /// As [`settings`](Self::settings).
    #[must_use]
    pub fn secrets(mut self, secrets: Value) -> Self {
        fits("secrets", self.component.descriptor.secrets.as_ref(), &secrets);
        self.secrets = object(secrets);
        self.settings.get_or_insert_default();
        self
    }

    /// The instance's secrets after a refresh ([`Context::refresh_credentials`]). Without them there is nothing to
    /// refresh.
    ///
    /// # Panics
    /// As [`settings`](Self::settings).
    #[must_use]
    pub fn refreshed(mut self, secrets: Value) -> Self {
        fits("secrets", self.component.descriptor.secrets.as_ref(), &secrets);
        self.refresh = Refresh::Secrets(object(secrets));
        self
    }

    /// A refresh says that a person has to authorise the instance again.
    #[must_use]
    pub fn needs_reauth(mut self) -> Self {
        self.refresh = Refresh::NeedsReauth;
        self
    }

    /// The headers of the next input.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The attempt of the next input.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Runs are asked to show their traffic with the other side.
    #[must_use]
    pub fn trace(mut self) -> Self {
        self.trace = true;
        self
    }

    /// What an action of another instance gives ([`Context::invoke`]): `name` is `alias.action`. An object has the input
    /// that it was called with as the member `input`.
    #[must_use]
    pub fn other(mut self, name: &str, result: Result<Value, Error>) -> Self {
        self.orchestrator.known().others.insert(name.to_owned(), result);
        self.settings.get_or_insert_default();
        self
    }

    /// How many calls from one instance to another led to the next run.
    #[must_use]
    pub fn depth(mut self, depth: u8) -> Self {
        self.depth = depth;
        self
    }

    /// What the step keeps ([`Context::state`]).
    #[must_use]
    pub fn state(self, value: Value) -> Self {
        self.orchestrator.known().state = Some(value);
        self
    }

    /// What the step keeps by now.
    #[must_use]
    pub fn kept(&self) -> Option<Value> {
        self.orchestrator.known().state.clone()
    }

    /// Runs an action.
    ///
    /// # Errors
    /// What the outcome would tell.
    ///
    /// # Panics
    /// When the component has no such action, or a schema refuses the config or the input.
    pub async fn action(&self, name: &str, config: Value, input: Value) -> Result<Vec<Output>, ErrorInfo> {
        let Some(Function::Action(bind)) = self.component.functions.get(name) else {
            panic!("there is no action `{name}`")
        };
        let described = self.component.descriptor.actions.iter().find(|(known, _)| known.as_str() == name);
        if let Some((_, described)) = described {
            fits("config", described.config.as_ref(), &config);
            fits("input", described.input.as_ref(), &input);
        }
        let call = bind(&config).map_err(Error::into_info)?;
        let body = serde_json::value::to_raw_value(&input).expect("a value is JSON");
        let collected = Arc::new(Collector::default());
        let finished = call(self.context(Some(Arc::clone(&collected))), RawInput { body, state: None }).await;
        collected.end(finished).map(|result| result.outputs).map_err(Error::into_info)
    }

    /// Runs a polling trigger.
    ///
    /// # Errors
    /// What the outcome would tell.
    ///
    /// # Panics
    /// As [`action`](Self::action).
    pub async fn poll(
        &self,
        name: &str,
        config: Value,
        state: Option<Value>,
    ) -> Result<PollResult, ErrorInfo> {
        let Some(Function::Polling(bind)) = self.component.functions.get(name) else {
            panic!("there is no polling trigger `{name}`")
        };
        self.check_trigger_config(name, &config);
        let call = bind(&config).map_err(Error::into_info)?;
        let body = serde_json::value::to_raw_value(&()).expect("a unit is JSON");
        let collected = Arc::new(Collector::default());
        let finished = call(self.context(Some(Arc::clone(&collected))), RawInput { body, state }).await;
        collected.end(finished).map_err(Error::into_info)
    }

    /// Runs a listener until it has emitted `count` outputs, which count as confirmed at once.
    ///
    /// # Errors
    /// When it ends before that: with its error, or `too_few` with the outputs' number.
    ///
    /// # Panics
    /// As [`action`](Self::action).
    pub async fn listen(&self, name: &str, config: Value, count: usize) -> Result<Vec<Output>, ErrorInfo> {
        let Some(Function::Listener(bind)) = self.component.functions.get(name) else {
            panic!("there is no listener `{name}`")
        };
        self.check_trigger_config(name, &config);
        let listen = bind(&config).map_err(Error::into_info)?;
        let collected = Arc::new(Collector { enough: count, ..Collector::default() });
        let cx = self.context(None);
        let emitter = Emitter::new(Arc::<Collector>::clone(&collected), &step());
        let stop = cx.cancellation();
        let running = listen(cx, emitter);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => ended.map_err(Error::into_info)?,
            () = collected.full.cancelled() => {
                stop.cancel();
                // It may still acknowledge its source.
                drop(timeout(Duration::from_secs(5), &mut running).await);
            }
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let outputs = collected.take();
        if outputs.len() < count {
            return Err(ErrorInfo::new("too_few", &format!("{} of {count} outputs", outputs.len()), false));
        }
        Ok(outputs)
    }

    fn check_trigger_config(&self, name: &str, config: &Value) {
        let described = self.component.descriptor.triggers.iter().find(|(known, _)| known.as_str() == name);
        if let Some((_, described)) = described {
            fits("config", described.config.as_ref(), config);
        }
    }

    fn context(&self, sink: Option<Arc<Collector>>) -> Context {
        let credentials = gateway::Credentials {
            version: 1,
            revision: 1,
            settings: self.settings.clone().unwrap_or_default(),
            secrets: self.secrets.clone(),
        };
        Context::new(Inner {
            id: self.id,
            execution: None,
            attempt: self.attempt,
            headers: self.headers.clone(),
            step: step(),
            traceparent: None,
            instance: self.settings.as_ref().map(|_| INSTANCE.to_owned()),
            revision: None,
            deadline: None,
            cancelled: CancellationToken::new(),
            tick: None,
            credentials: Arc::new(CredentialCache::new(Arc::new(Fixed {
                current: Mutex::new(credentials),
                refresh: self.refresh.clone(),
            }))),
            sink: sink.map(|sink| sink as Arc<dyn Sink>),
            trace: self.trace,
            orchestrator: Arc::clone(&self.orchestrator) as Arc<dyn Orchestrator>,
            depth: self.depth,
            egress: crate::Egress::default(),
        })
    }
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("component", &self.component.descriptor.name).finish_non_exhaustive()
    }
}

/// Keeps what was emitted.
#[derive(Default)]
struct Collector {
    outputs: Mutex<Vec<Output>>,
    enough: usize,
    full: CancellationToken,
}

impl Collector {
    fn take(&self) -> Vec<Output> {
        std::mem::take(&mut *self.outputs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, outputs: Vec<Output>) {
        let mut kept = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(outputs);
        if kept.len() >= self.enough {
            self.full.cancel();
        }
    }

    /// Streamed outputs come before those that the run ended with.
    fn end(&self, finished: Result<Finished, Error>) -> Result<PollResult, Error> {
        let Finished { outputs, state } = finished?;
        let last = crate::runtime::split(outputs.build()?, 0)?.concat();
        self.add(last);
        Ok(PollResult { outputs: self.take(), state })
    }
}

#[async_trait]
impl Sink for Collector {
    async fn partial(&self, output: Output) -> Result<(), Error> {
        self.add(crate::runtime::split(vec![output], 0)?.concat());
        Ok(())
    }

    fn outlet(self: Arc<Self>) -> Arc<dyn Outlet> {
        self
    }
}

#[async_trait]
impl Outlet for Collector {
    async fn accept(
        &self,
        _: MessageId,
        outputs: Outputs,
    ) -> Result<BoxFuture<'static, Result<(), Error>>, Error> {
        self.add(outputs.build()?);
        Ok(Box::pin(std::future::ready(Ok(()))))
    }
}

fn step() -> StepKey {
    "flow_test/1/step".parse().expect("the text is a step key")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn fits(what: &str, schema: Option<&Value>, value: &Value) {
    let Some(schema) = schema else { return };
    let validator = jsonschema::validator_for(schema).expect("the schema in component.json is valid");
    let faults: Vec<String> =
        validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "the {what} do not fit their schema:\n{}", faults.join("\n"));
}
