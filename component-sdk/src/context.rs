//! What a run knows about itself, and what it may ask for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use sluice_protocol::gateway::{INVOKE_DEPTH, InvokeRequest};
use sluice_protocol::{ExecutionId, FunctionName, Headers, MessageId, StepKey, TraceContext};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::credentials::{CredentialCache, Credentials};
use crate::egress::Egress;
use crate::emitter::Outlet;
use crate::orchestrator::Orchestrator;
use crate::{Emitter, Error, Output};

/// How long a call of another instance may take.
const INVOKE_TIME: Duration = Duration::from_secs(30);

/// Where a run streams partial outputs to: the broker, or a test.
#[async_trait]
pub(crate) trait Sink: Send + Sync {
    async fn partial(&self, output: sluice_protocol::Output) -> Result<(), Error>;

    /// Where messages go that belong to no run any more.
    fn outlet(self: Arc<Self>) -> Arc<dyn Outlet>;
}

/// The surroundings of one run. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    run: Arc<Inner>,
    /// The version of the credentials that the run was given last; 0 before the first.
    given: Arc<AtomicU64>,
}

/// What a context is made of.
pub(crate) struct Inner {
    pub(crate) id: MessageId,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) attempt: u32,
    pub(crate) headers: Headers,
    pub(crate) step: StepKey,
    pub(crate) traceparent: Option<String>,
    pub(crate) instance: Option<String>,
    /// The revision of the instance that the run has to use; the one of the assignments when absent.
    pub(crate) revision: Option<u64>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) tick: Option<Box<RawValue>>,
    pub(crate) credentials: Arc<CredentialCache>,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) trace: bool,
    pub(crate) orchestrator: Arc<dyn Orchestrator>,
    pub(crate) depth: u8,
    pub(crate) egress: Egress,
}

impl Context {
    pub(crate) fn new(mut inner: Inner) -> Self {
        inner.traceparent = inner.traceparent.and_then(|sending| {
            let sending: TraceContext = sending.parse().ok()?;
            Some(sending.of_attempt(inner.id, inner.attempt).to_string())
        });
        Self { run: Arc::new(inner), given: Arc::default() }
    }

    /// The id of the input: the same in every retry and redelivery, so hand it to the other side as an idempotency key.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        self.run.id
    }

    /// The execution that the input belongs to; none in a trigger.
    #[must_use]
    pub fn execution(&self) -> Option<ExecutionId> {
        self.run.execution
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.run.attempt
    }

    /// The headers of the input.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.run.headers
    }

    /// The step that runs.
    #[must_use]
    pub fn step(&self) -> &StepKey {
        &self.run.step
    }

    /// The W3C trace context of this run: the value of the header `traceparent` for requests to the other side. None when
    /// the execution is not traced.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.run.traceparent.as_deref()
    }

    /// The instance whose credentials the step uses.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.run.instance.as_deref()
    }

    /// What the orchestrator says of the tick that a polling trigger runs for, such as the time it was due.
    #[must_use]
    pub fn tick(&self) -> Option<&RawValue> {
        self.run.tick.as_deref()
    }

    /// Whether somebody tries the function out and wants to see its traffic with the other side: what it then emits on
    /// the port [`EXCHANGE_PORT`](sluice_protocol::invocation::EXCHANGE_PORT) is shown, and no step gets it. Mask secrets.
    #[must_use]
    pub fn trace(&self) -> bool {
        self.run.trace
    }

    /// When the run will be cancelled; a listener has no such time.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.run.deadline
    }

    /// Resolves when the run is to stop: its time is up, or the component goes down.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.run.cancelled.cancelled()
    }

    /// The token behind [`cancelled`](Self::cancelled), to be handed to tasks of the author's own.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.run.cancelled.clone()
    }

    /// The settings and secrets of the instance, at most 30 seconds old. Without an instance both are empty objects.
    ///
    /// # Errors
    /// When the gateway cannot be asked (retryable), they do not fit the types (fatal), or a person has to authorise the
    /// instance first (parked).
    pub async fn credentials<S: DeserializeOwned, C: DeserializeOwned>(
        &self,
    ) -> Result<Credentials<S, C>, Error> {
        let credentials = self.run.credentials.get(self.instance(), self.run.revision).await?;
        self.given.store(credentials.version, Ordering::SeqCst);
        Ok(credentials)
    }

    /// Gets credentials other than those that [`credentials`](Self::credentials) gave to this run, after the other side
    /// refused them: the orchestrator refreshes an access token (RFC 6749, section 6), unless that happened meanwhile.
    /// True when the next call of `credentials` gives others, false when there are none: no instance, or nothing that
    /// could be refreshed.
    ///
    /// # Errors
    /// When a person has to authorise the instance again (parked), the gateway cannot be asked (retryable), or gives no
    /// credentials for this instance (fatal).
    pub async fn refresh_credentials(&self) -> Result<bool, Error> {
        match self.instance() {
            None => Ok(false),
            Some(instance) => self.run.credentials.refresh(instance, self.given.load(Ordering::SeqCst)).await,
        }
    }

    /// Forgets the kept credentials, after the other side refused them: the next call fetches them anew.
    pub async fn forget_credentials(&self) {
        if let Some(instance) = self.instance() {
            self.run.credentials.forget(instance).await;
        }
    }

    /// What the step keeps ([`put_state`](Self::put_state)); none at first, and in a run that is no step of a flow. Each call asks
    /// the gateway. For what an action has to know of earlier inputs; a polling trigger has its cursor.
    ///
    /// # Errors
    /// When the gateway cannot be asked (retryable).
    pub async fn state(&self) -> Result<Option<Value>, Error> {
        self.run.orchestrator.state(self.step()).await
    }

    /// Keeps a value for later runs of the step, also over restarts, in new versions of its flow, and until the flow is deleted.
    /// It has at most [`STATE_BYTES`](sluice_protocol::limits::STATE_BYTES). The last one that is put stays: where runs read and
    /// then put, give the step the concurrency 1. It is kept once this returns, whatever becomes of the run; the input may
    /// come again all the same. Not true in a run that is no step of a flow: there nothing is kept.
    ///
    /// # Errors
    /// When it is larger than that (fatal), or the gateway cannot be asked (retryable).
    pub async fn put_state(&self, value: &Value) -> Result<bool, Error> {
        self.run.orchestrator.put_state(self.step(), value).await
    }

    /// The way out of the container: whatever connects to others goes by it, or does not get out.
    #[must_use]
    pub fn egress(&self) -> &Egress {
        &self.run.egress
    }

    /// How many calls from one instance to another led to this run; 0 for the run of a step.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.run.depth
    }

    /// Runs an action of another instance now, which the instance of this run binds to `alias`, and gives its result: what
    /// it emitted, a list where it may emit several, `null` where it emitted nothing. It has at most 30 seconds, and no
    /// longer than this run. Each call is a new one: nothing is made once only by itself.
    ///
    /// # Errors
    /// When nothing is bound to the alias, the calls are more than [`INVOKE_DEPTH`] deep, the gateway cannot be asked
    /// (retryable), or the action fails (as it did, but never parked: that is about the other instance).
    pub async fn invoke(&self, alias: &str, function: &str, input: Value) -> Result<Value, Error> {
        let name = |text: &str| {
            let name = text.parse::<FunctionName>();
            name.map_err(|error| {
                Error::fatal("unknown_action", format_args!("`{alias}.{function}`: {error}"))
            })
        };
        let Some(instance) = self.instance() else {
            return Err(Error::fatal(
                "not_bound",
                "the step has no instance, so nothing is bound to an alias",
            ));
        };
        let left = self.deadline().map_or(INVOKE_TIME, |end| end.saturating_duration_since(Instant::now()));
        let request = InvokeRequest {
            alias: name(alias)?,
            function: name(function)?,
            input,
            timeout_ms: u64::try_from(left.min(INVOKE_TIME).as_millis()).unwrap_or(u64::MAX),
            depth: self.run.depth.saturating_add(1),
        };
        if request.depth > INVOKE_DEPTH {
            let text = format!("instances call each other more than {INVOKE_DEPTH} deep");
            return Err(Error::fatal("too_deep", text));
        }
        self.run.orchestrator.invoke(instance, &request).await
    }

    /// What sends messages of this step that come after the run has ended, each as one that begins an execution of its own.
    /// For functions whose other side goes on by itself; what belongs to the run is emitted by the run.
    ///
    /// # Errors
    /// When this is a listener, which was given one.
    pub fn emitter(&self) -> Result<Emitter, Error> {
        match &self.run.sink {
            Some(sink) => Ok(Emitter::new(Arc::clone(sink).outlet(), self.step())),
            None => Err(Error::fatal("no_run", "a listener has its own emitter")),
        }
    }

    /// Streams one output before the run ends; waits while too many are under way.
    ///
    /// When the run fails later, what was streamed stays sent; the next attempt's outputs get the same ids.
    ///
    /// # Errors
    /// When the output is no JSON or too large, or this is a listener, which has an emitter for that.
    pub async fn emit(&self, output: Output) -> Result<(), Error> {
        let output = output.build()?;
        match &self.run.sink {
            Some(sink) => sink.partial(output).await,
            None => Err(Error::fatal("no_run", "a listener sends through its emitter")),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.run.id)
            .field("step", &self.run.step)
            .finish_non_exhaustive()
    }
}
