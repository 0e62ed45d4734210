//! Requests to webhooks: from the key in the URL to a message that the broker holds.
//!
//! Invariant: [`HookAnswer::Accepted`] is said only after the broker confirmed the message. A delivery is noted after that,
//! and never before: a process that dies in between takes the same delivery again, under the same message id, while one
//! that noted first would call a delivery known that nobody has. Two requests with the same delivery at the same time are
//! kept apart in memory, which is enough because there is one orchestrator.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sluice_declarative::SIGNING_SECRET;
use sluice_domain::compiled::CompiledStep;
use sluice_domain::{FlowId, InstanceName, Intent, StepId};
use sluice_formats::{FormatError, Limits};
use sluice_mapping::EvalError;
use sluice_ports::broker::Health;
use sluice_ports::{Fault, PortError, failpoint};
use sluice_protocol::gateway::Role;
use sluice_protocol::{Headers, MessageId, Outcome, Output, Port, Status, TraceContext, limits};
use sluice_webhook::Refusal;
use tracing::{debug, warn};

use crate::hooks::{self, Job, Verdict};
use crate::replies::Waiting;
use crate::secrets::Shelf;
use crate::table::{LiveFlow, Snapshot};
use crate::{CommandError, Engine};

pub use sluice_webhook::Request as HookRequest;

/// Most fields of a form.
const FIELDS: usize = 100;

/// Reads a form with files (RFC 7578) as an object, its files as actions take them for parts of a multipart body.
///
/// # Errors
/// Why it cannot be read.
pub fn read_form(content_type: &str, bytes: &Bytes) -> Result<Map<String, Value>, String> {
    let limits = Limits { parts: FIELDS, ..Limits::default() };
    match sluice_webhook::body::read(Some(content_type), bytes, &limits) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("it is no form".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Longest text that may be a key.
const KEY: usize = 64;
/// What a message may grow by on its way to the next step.
const ROOM: usize = 16 * 1024;

/// What became of a request.
#[derive(Debug)]
pub enum HookAnswer {
    /// The broker holds its message.
    Accepted(MessageId),
    /// The broker holds its message, and the flow will answer.
    Waiting(Waiting),
    /// It was accepted before; nothing happens.
    Duplicate,
    /// The flow does not want it; nothing happens.
    Filtered,
    /// It asked whether the URL is ours, and this is the answer.
    Challenge {
        /// Its content type.
        content_type: String,
        /// Its body.
        body: String,
    },
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// No webhook has the key, or not any more.
    #[error("there is no such webhook")]
    Unknown,
    /// Its sender is not proved.
    #[error("the sender is not proved")]
    Refused(#[source] Refusal),
    /// Its body is not what its content type says.
    #[error("the body cannot be read")]
    Body(#[source] FormatError),
    /// It lacks what tells it from other deliveries.
    #[error("the request has no id of its delivery")]
    NoDelivery,
    /// Its message is larger than messages may be.
    #[error("the message has more than {} bytes", limits::RECORD_BYTES - ROOM)]
    TooLarge,
    /// An expression of the connector failed on it.
    #[error("an expression of the connector failed")]
    Expression(#[from] EvalError),
    /// Too much of the flow waits already.
    #[error("too much waits already")]
    Crowded,
    /// The flow does not run.
    #[error("the flow does not run")]
    Paused,
    /// Too many requests are being looked at, or this very delivery is.
    #[error("too many requests at a time")]
    Busy,
    /// Something that is needed is away.
    #[error("a service that is needed is away")]
    Unavailable(#[source] PortError),
    /// A fault of Sluice.
    #[error("the request met a fault")]
    Failed(#[source] PortError),
    /// A fault of Sluice without a cause that is known.
    #[error("the request met a fault of Sluice")]
    Broken,
}

impl From<PortError> for HookError {
    fn from(error: PortError) -> Self {
        match error.fault {
            Fault::Transient => Self::Unavailable(error),
            Fault::Conflict | Fault::NotFound | Fault::Permanent => Self::Failed(error),
        }
    }
}

/// Where a key leads.
struct Door {
    flow: FlowId,
    step: StepId,
    live: Arc<LiveFlow>,
    snapshot: Arc<Snapshot>,
}

impl Door {
    fn step(&self) -> Result<&CompiledStep, HookError> {
        let step = self.live.compiled.steps.get(&self.step);
        step.map(|step| &**step).filter(|step| step.role == Role::Webhook).ok_or(HookError::Unknown)
    }
}

impl Engine {
    /// Whether there is a webhook with this key: before anything else of a request is waited for.
    ///
    /// # Errors
    /// [`HookError::Unknown`] when there is none, [`HookError::Unavailable`] when the store cannot be read.
    pub async fn has_hook(&self, key: &str) -> Result<(), HookError> {
        let Err(error) = self.door(key).await else { return Ok(()) };
        let answer = Err(error);
        self.core.recorder.meters().webhooks.add([label(&answer)]);
        answer.map(|_| ())
    }

    /// Takes a request to the webhook with this key.
    ///
    /// # Errors
    /// See [`HookError`]. Unless it is [`HookError::Unavailable`], nothing was stored; then nobody knows, and the same
    /// request may come again.
    pub async fn receive_hook(&self, key: &str, request: HookRequest) -> Result<HookAnswer, HookError> {
        let begun = Instant::now();
        let answer = match self.door(key).await {
            Ok(door) => self.enter_and_tell(&door, request, begun).await,
            Err(error) => Err(error),
        };
        self.core.recorder.meters().webhooks.add([label(&answer)]);
        answer
    }

    async fn enter_and_tell(
        &self,
        door: &Door,
        request: HookRequest,
        begun: Instant,
    ) -> Result<HookAnswer, HookError> {
        let answer = self.enter(door, request, begun).await;
        if let Err(error) = &answer {
            let why = crate::chain(error);
            match error {
                HookError::Crowded | HookError::Paused | HookError::Busy => {
                    debug!(flow.id = %door.flow, step.id = %door.step, why, "a request to a webhook was put off");
                }
                _ => {
                    warn!(flow.id = %door.flow, step.id = %door.step, why, "a request to a webhook was refused")
                }
            }
        }
        answer
    }

    async fn door(&self, key: &str) -> Result<Door, HookError> {
        if key.len() > KEY {
            return Err(HookError::Unknown);
        }
        let core = &self.core;
        let found = core.ports.store.hook_key(&hooks::hash(key)).await?.ok_or(HookError::Unknown)?;
        if !found.works(core.ports.clock.now()) {
            return Err(HookError::Unknown);
        }
        let snapshot = core.snapshot();
        let live = snapshot.current(found.flow).cloned().ok_or(HookError::Unknown)?;
        let door = Door { flow: found.flow, step: found.step, live, snapshot };
        door.step()?;
        Ok(door)
    }

    async fn enter(
        &self,
        door: &Door,
        request: HookRequest,
        begun: Instant,
    ) -> Result<HookAnswer, HookError> {
        let core = &self.core;
        let hook = core.hooks.hook(&door.live, &door.step).ok_or(HookError::Broken)?;
        let (vars, mut secrets) = self.credentials(door.step()?.instance.as_ref(), hook.signed).await?;
        if hook.signed && hook.subscribes {
            secrets.extend(hooks::subscriptions::secrets(core, door.flow, &door.step).await?);
        }
        let now = core.ports.clock.now().timestamp();
        let trace = trace_of(&request);
        let (delivery, body, headers) =
            match core.hooks.bench.judge(Job { hook, request, vars, secrets, now }).await? {
                Verdict::Challenge { content_type, body } => {
                    return Ok(HookAnswer::Challenge { content_type, body });
                }
                Verdict::Filtered => return Ok(HookAnswer::Filtered),
                Verdict::Message { delivery, body, headers } => (delivery, body, headers),
            };
        let place = format!("hook {}/{}", door.flow, door.step);
        let delivery = delivery.map(|id| MessageId::derive(&place, id.as_bytes()));
        let _under_way = match delivery {
            Some(id) => Some(core.hooks.begin(id).ok_or(HookError::Busy)?),
            None => None,
        };
        if let Some(id) = delivery
            && core.ports.store.has_delivery(door.flow, &door.step, id).await?
        {
            return Ok(HookAnswer::Duplicate);
        }
        self.may_enter(door)?;
        let id = delivery.unwrap_or_else(|| MessageId::from_bits(core.ports.entropy.bits()));
        let outcome = Outcome { traceparent: trace, ..outcome(door, id, (&body, headers), begun)? };
        let waiting = match door.live.within(&door.step) {
            Some(within) => Some(core.replies.wait(id.execution(0), within).ok_or(HookError::Busy)?),
            None => None,
        };
        self.emit(door.flow.shard(), &outcome).await.map_err(|error| match error {
            CommandError::Unavailable(error) => HookError::Unavailable(error),
            CommandError::Internal(error) => HookError::Failed(error),
            _ => HookError::Broken,
        })?;
        failpoint::reach("webhook_after_confirm").await?;
        if let Some(id) = delivery {
            self.note(door, id).await;
        }
        failpoint::reach("webhook_after_note").await?;
        Ok(waiting.map_or(HookAnswer::Accepted(id), HookAnswer::Waiting))
    }

    /// Whether new messages of the flow may come now.
    fn may_enter(&self, door: &Door) -> Result<(), HookError> {
        let flow = door.snapshot.flows.get(&door.flow).ok_or(HookError::Unknown)?;
        match flow.intent {
            Intent::Run if !door.snapshot.may_fire(door.flow) => return Err(HookError::Crowded),
            Intent::Run => {}
            Intent::Pause | Intent::Stop => return Err(HookError::Paused),
            Intent::Delete | Intent::Discard => return Err(HookError::Unknown),
        }
        let away = match self.core.ports.broker.health() {
            Health::Up => return Ok(()),
            Health::Blocked(reason) | Health::Down { reason, .. } => reason,
        };
        Err(HookError::Unavailable(PortError::new(Fault::Transient, "publish a message", away)))
    }

    /// The settings of an instance, and the secrets that it is signed with.
    async fn credentials(
        &self,
        instance: Option<&InstanceName>,
        signed: bool,
    ) -> Result<(Value, Vec<SecretString>), HookError> {
        let Some(name) = instance else { return Ok((Value::Object(Map::new()), Vec::new())) };
        let Some(stored) = self.core.ports.store.instance(name).await? else {
            return Ok((Value::Object(Map::new()), Vec::new()));
        };
        let shelf = Shelf::of(&stored.instance, SIGNING_SECRET);
        let vars = Value::Object(stored.instance.settings);
        let Some(sealed) = stored.secrets.get(SIGNING_SECRET).filter(|_| signed) else {
            return Ok((vars, Vec::new()));
        };
        let opened = shelf.open(&self.core, (name, SIGNING_SECRET), sealed)?;
        let secrets = opened.expose_secret().lines().map(|line| SecretString::from(line.to_owned()));
        Ok((vars, secrets.collect()))
    }

    /// Notes a delivery. If that fails it is accepted all the same: should it come again, its message has the same id.
    async fn note(&self, door: &Door, id: MessageId) {
        let core = &self.core;
        let noted = core.ports.store.note_delivery(door.flow, &door.step, id, core.ports.clock.now()).await;
        if let Err(error) = noted {
            warn!(flow.id = %door.flow, step.id = %door.step, error = crate::chain(&error), "a delivery was not noted");
        }
    }
}

/// The trace that the sender began, if it sent one that can be read.
fn trace_of(request: &HookRequest) -> Option<String> {
    let mut sent = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
    let (Some((_, value)), None) = (sent.next(), sent.next()) else { return None };
    let context: TraceContext = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some(context.to_string())
}

/// What became of a request, as the metrics say it.
fn label(answer: &Result<HookAnswer, HookError>) -> &'static str {
    match answer {
        Ok(HookAnswer::Accepted(_) | HookAnswer::Waiting(_)) => "accepted",
        Ok(HookAnswer::Duplicate) => "duplicate",
        Ok(HookAnswer::Filtered) => "filtered",
        Ok(HookAnswer::Challenge { .. }) => "challenge",
        Err(HookError::Unknown) => "unknown",
        Err(HookError::Refused(_)) => "unsigned",
        Err(HookError::Body(_) | HookError::NoDelivery | HookError::TooLarge | HookError::Expression(_)) => {
            "invalid"
        }
        Err(HookError::Crowded | HookError::Paused | HookError::Busy) => "put_off",
        Err(HookError::Unavailable(_) | HookError::Failed(_) | HookError::Broken) => "failed",
    }
}

/// What the webhook says, as a listener would.
fn outcome(
    door: &Door,
    id: MessageId,
    (body, headers): (&Value, Headers),
    begun: Instant,
) -> Result<Outcome, HookError> {
    let outcome = Outcome {
        input: id,
        step: door.live.compiled.address(&door.step).to_key(),
        execution: None,
        attempt: 1,
        suspected: 0,
        status: Status::Ok,
        outputs: vec![Output {
            port: Port::default(),
            body: serde_json::value::to_raw_value(body).expect("a value is plain JSON"),
            headers,
        }],
        offset: 0,
        error: None,
        state: None,
        context: None,
        micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        traceparent: None,
        retained: None,
    };
    let bytes = serde_json::to_vec(&outcome).expect("an outcome is plain JSON").len();
    if bytes > limits::RECORD_BYTES - ROOM { Err(HookError::TooLarge) } else { Ok(outcome) }
}
