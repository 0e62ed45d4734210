//! Running one function of an instance now, outside any flow, by the very path of a live step.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluice_declarative::Hook;
use sluice_domain::{Connector, DeploymentId, Instance, InstanceName, Owned, topology};
use sluice_planner::{Catalogue, PrepareError, Prepared, Run, prepare_script};
use sluice_ports::broker::{PublishError, Target};
use sluice_protocol::invocation::{self, EXCHANGE_PORT, Invocation};
use sluice_protocol::{
    Envelope, ErrorInfo, FunctionName, Headers, MessageId, Outcome, Output, Status, limits,
};
use tokio::time::{Instant, interval, timeout_at};

use crate::core::Core;
use crate::invocations::Ticket;
use crate::router::returns::publish;
use crate::views::DeploymentStatus;
use crate::{CommandError, Engine};

/// How long an invocation may take when nothing else is said, starting the container included.
pub const INVOKE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an invocation may take at most.
pub const INVOKE_TIMEOUT_MOST: Duration = Duration::from_secs(50);
/// Most bytes of the outputs that are answered together.
const ANSWER_BYTES: usize = 16 << 20;
/// How often it is looked whether the container can run at all.
const LOOK: Duration = Duration::from_millis(250);

/// What to run.
#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// The instance.
    pub instance: InstanceName,
    /// An action or polling trigger of its connector.
    pub function: FunctionName,
    /// What a step's config would be.
    pub config: Value,
    /// What an action gets as its body, a trigger as its cursor.
    pub input: Value,
    /// How long it may take, starting the container included: at most [`INVOKE_TIMEOUT_MOST`].
    pub timeout: Duration,
    /// Whether to tell about the requests to the other side and its answers.
    pub trace: bool,
    /// How many calls from one instance to another led here.
    pub depth: u8,
}

/// How a run differs from what an operator may ask for: what the acceptance tests of a component need.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trial {
    /// The input goes to the component even where it does not fit the function's schema, as it would in a flow.
    pub as_it_is: bool,
    /// How long the function itself may take, as a step's timeout; as long as the whole run when absent.
    pub run_for: Option<Duration>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Invoked {
    /// What it emitted.
    pub outputs: Vec<Output>,
    /// What it told about its traffic with the other side. Secrets are masked.
    pub exchanges: Vec<Box<RawValue>>,
    /// The cursor that a trigger returned.
    pub state: Option<Value>,
    /// Why it failed, if it did.
    pub error: Option<ErrorInfo>,
    /// How long the function ran, in microseconds.
    pub micros: u64,
    /// How long all of it took, starting the container included.
    pub elapsed: Duration,
    /// Whether outputs were left out because they were too many.
    pub truncated: bool,
}

impl Engine {
    /// Runs one function of an instance now and waits for what comes of it. A run that fails is an answer, not an error.
    ///
    /// # Errors
    /// When the instance or function is not there, config or input do not fit, or no answer comes in time. After the
    /// time is up the function may still run to its end.
    pub async fn invoke(&self, request: InvokeRequest) -> Result<Invoked, CommandError> {
        self.try_out(request, Trial::default()).await
    }

    /// As [`Engine::invoke`], by other rules. No request of the API comes here.
    ///
    /// # Errors
    /// As [`Engine::invoke`].
    pub async fn try_out(&self, request: InvokeRequest, trial: Trial) -> Result<Invoked, CommandError> {
        let instance = self.instance(&request.instance).await?;
        let catalogue = self.core.catalogue().await?;
        let connector = chosen(&catalogue, &instance)?;
        self.run_with((request, trial), connector, &catalogue).await
    }

    /// As [`Engine::invoke`], with this version of the connector.
    pub(crate) async fn invoke_with(
        &self,
        request: InvokeRequest,
        connector: &Connector,
        catalogue: &Catalogue,
    ) -> Result<Invoked, CommandError> {
        self.run_with((request, Trial::default()), connector, catalogue).await
    }

    async fn run_with(
        &self,
        (request, trial): (InvokeRequest, Trial),
        connector: &Connector,
        catalogue: &Catalogue,
    ) -> Result<Invoked, CommandError> {
        let input = (!trial.as_it_is).then_some(&request.input);
        let tenant = request.instance.tenant();
        let run = Run {
            tenant: tenant.as_ref(),
            connector,
            function: &request.function,
            config: &request.config,
            input,
        };
        let prepared = run.prepare(catalogue).map_err(refusal)?;
        run_prepared(&self.core, (request, trial), prepared).await
    }

    /// Runs a script of the connector of an instance now, in the place of an action: in the component, as any other run.
    ///
    /// # Errors
    /// As [`Engine::invoke`].
    pub(crate) async fn invoke_script(&self, request: InvokeRequest) -> Result<Invoked, CommandError> {
        let catalogue = self.core.catalogue().await?;
        let connector = chosen(&catalogue, &self.instance(&request.instance).await?)?;
        let prepared =
            prepare_script(connector, &request.function, request.instance.tenant().as_ref(), &catalogue);
        let prepared = prepared.map_err(refusal)?;
        run_prepared(&self.core, (request, Trial::default()), prepared).await
    }

    /// Calls what the connector of an instance names as a hook, in its component, and returns what it gives.
    ///
    /// # Errors
    /// As [`Engine::invoke`], and when the run fails.
    pub(crate) async fn invoke_hook(
        &self,
        instance: &InstanceName,
        hook: &Hook,
        input: Value,
    ) -> Result<Vec<Value>, CommandError> {
        let failed = |text: String| CommandError::conflict("hook_failed", text);
        let function = match hook {
            Hook::Action(action) => action.parse().map_err(|error| failed(format!("{error}")))?,
            Hook::Script(hook) => hook.script.clone(),
        };
        let request = InvokeRequest {
            instance: instance.clone(),
            function,
            config: Value::Null,
            input,
            timeout: INVOKE_TIMEOUT,
            trace: false,
            depth: 0,
        };
        let invoked = match hook {
            Hook::Action(_) => self.invoke(request).await?,
            Hook::Script(_) => self.invoke_script(request).await?,
        };
        if let Some(error) = invoked.error {
            return Err(failed(format!("{}: {}", error.code, error.message)));
        }
        let bodies = invoked.outputs.iter().map(|output| serde_json::from_str(output.body.get()));
        Ok(bodies.map(Result::unwrap_or_default).collect())
    }

    /// Calls what the connector of an instance names as its test.
    ///
    /// # Errors
    /// As [`Engine::invoke`], and when the connector names none.
    pub async fn test_instance(&self, instance: &InstanceName, trace: bool) -> Result<Invoked, CommandError> {
        let catalogue = self.core.catalogue().await?;
        let connector = chosen(&catalogue, &self.instance(instance).await?)?;
        let Some(function) = connector.descriptor.test.clone() else {
            let text = format!("connector {} names no action as its test", connector.name());
            return Err(CommandError::bad("no_test", text));
        };
        self.invoke(InvokeRequest {
            instance: instance.clone(),
            function,
            config: Value::Null,
            input: Value::Object(Map::new()),
            timeout: INVOKE_TIMEOUT,
            trace,
            depth: 0,
        })
        .await
    }
}

/// The version in use of the connector that an instance belongs to.
pub(crate) fn chosen<'c>(
    catalogue: &'c Catalogue,
    instance: &Instance,
) -> Result<&'c Connector, CommandError> {
    let connector = catalogue.choose(instance.connector.as_str(), None);
    connector.ok_or_else(|| CommandError::not_found("connector", &instance.connector))
}

fn refusal(error: PrepareError) -> CommandError {
    let code = match &error {
        PrepareError::UnknownFunction { function, .. } => {
            return CommandError::not_found("action or trigger", format!("{function}` (`{error}"));
        }
        PrepareError::UnknownScript { .. } => "unknown_script",
        PrepareError::Listens(_) => "not_callable",
        PrepareError::NoRunner => "rest_not_installed",
        PrepareError::Misfit(_) => "misfit",
    };
    CommandError::bad(code, error.to_string())
}

async fn run_prepared(
    core: &Core,
    run: (InvokeRequest, Trial),
    prepared: Prepared,
) -> Result<Invoked, CommandError> {
    let begun = Instant::now();
    let invoked = run_now(core, run, prepared, begun).await;
    let meters = core.recorder.meters();
    meters.invoking.observe(begun.elapsed());
    meters.invocations.add([match &invoked {
        Ok(Invoked { error: None, .. }) => "ok",
        Ok(_) => "failed",
        Err(CommandError::TimedOut(_)) => "timed_out",
        Err(_) => "refused",
    }]);
    invoked
}

async fn run_now(
    core: &Core,
    (request, trial): (InvokeRequest, Trial),
    prepared: Prepared,
    begun: Instant,
) -> Result<Invoked, CommandError> {
    let deadline = begun + request.timeout.min(INVOKE_TIMEOUT_MOST);
    let id = MessageId::from_bits(core.ports.entropy.bits());
    let deployment = prepared.deployment.id;
    let known = core.invocations.keeps(deployment);
    let instance = Some(request.instance.clone());
    // Before the run can begin, so that its first request finds the way open.
    let way = core.egress.way(core, (&prepared.deployment, &prepared.config), &request.instance).await?;
    let ticket = core.invocations.open(id, &prepared.deployment, instance, Some(way)).ok_or_else(|| {
        CommandError::conflict("too_many_invocations", "too many invocations are under way; try again later")
    })?;
    if !known {
        core.ports.broker.declare_deployment(deployment).await?;
        core.wake.notify_one();
    }
    let Ok(_place) = timeout_at(deadline, ticket.place(request.depth)).await else {
        let text = "too many scripts wait for others; try again later";
        return Err(CommandError::conflict("too_many_invocations", text));
    };
    let record = record(core, (id, &request, trial), prepared, deadline)?;
    let message = publish(Target::Invocations(deployment), id, &record);
    match timeout_at(deadline, core.ports.broker.publish(message)).await {
        Ok(Ok(())) => {}
        Ok(Err(PublishError::Refused)) => {
            let text = "the component has too much to do; try again later";
            return Err(CommandError::conflict("too_many_invocations", text));
        }
        // It may be there all the same, and then its answer comes.
        Ok(Err(PublishError::Unknown(_))) | Err(_) => {}
    }
    let mut invoked = collect(core, deployment, ticket, deadline).await?;
    invoked.elapsed = begun.elapsed();
    Ok(invoked)
}

fn record(
    core: &Core,
    (id, request, trial): (MessageId, &InvokeRequest, Trial),
    prepared: Prepared,
    deadline: Instant,
) -> Result<Vec<u8>, CommandError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let expires = core.ports.clock.now().timestamp_millis();
    let expires = expires.saturating_add(i64::try_from(millis(left)).unwrap_or(i64::MAX));
    let shard = u8::try_from(id.bits() % u128::from(topology::SHARDS)).unwrap_or_default();
    let is_action = prepared.role == sluice_protocol::gateway::Role::Action;
    let body = if is_action { &request.input } else { &Value::Null };
    let envelope = Envelope {
        id,
        step: invocation::step_key(id),
        execution: None,
        attempt: 1,
        suspected: 0,
        body: serde_json::value::to_raw_value(body).expect("a value is plain JSON"),
        headers: Headers::new(),
        context: None,
        state: (!is_action && !request.input.is_null()).then(|| request.input.clone()),
        traceparent: None,
        invocation: Some(Box::new(Invocation {
            function: prepared.function,
            role: prepared.role,
            config: prepared.config,
            instance: Some(request.instance.to_string()),
            revision: core.snapshot().revisions.get(&request.instance).copied(),
            timeout_ms: millis(trial.run_for.map_or(left, |run_for| run_for.min(left))),
            routing_key: topology::routing_key(shard),
            expires_at: expires,
            trace: request.trace,
            depth: request.depth,
        })),
    };
    let record = serde_json::to_vec(&envelope).expect("an envelope is plain JSON");
    if record.len() > limits::RECORD_BYTES {
        let text = format!("input and config have more than {} bytes together", limits::RECORD_BYTES);
        return Err(CommandError::bad("input_too_large", text));
    }
    Ok(record)
}

/// Takes outcomes until the last one.
async fn collect(
    core: &Core,
    deployment: DeploymentId,
    mut ticket: Ticket,
    deadline: Instant,
) -> Result<Invoked, CommandError> {
    let mut invoked = Invoked::default();
    let mut bytes = 0;
    let mut look = interval(LOOK);
    loop {
        let outcome = tokio::select! {
            outcome = ticket.next() => outcome,
            _ = look.tick() => match broken(core, deployment) {
                None => continue,
                Some(reason) => return Err(CommandError::conflict("component_down", reason)),
            },
            () = tokio::time::sleep_until(deadline) => None,
        };
        let Some(outcome) = outcome else {
            let text = "no answer came in time; it may still be carried out";
            return Err(CommandError::TimedOut(text.to_owned()));
        };
        if take(&mut invoked, &mut bytes, outcome) {
            return Ok(invoked);
        }
    }
}

/// Why the container of a deployment does not come up.
fn broken(core: &Core, deployment: DeploymentId) -> Option<String> {
    let deployments = core.deployments();
    let state = deployments.get(&deployment).filter(|state| state.status == DeploymentStatus::CrashLoop)?;
    let reason = state.reason.as_deref().unwrap_or("it gave no reason");
    Some(format!("the component {} does not run: {reason}", state.spec.component))
}

/// Takes an outcome in. True when it was the last.
fn take(invoked: &mut Invoked, bytes: &mut usize, outcome: Outcome) -> bool {
    for output in outcome.outputs {
        *bytes += output.body.get().len();
        if *bytes > ANSWER_BYTES {
            invoked.truncated = true;
        } else if output.port.as_str() == EXCHANGE_PORT {
            invoked.exchanges.push(output.body);
        } else {
            invoked.outputs.push(output);
        }
    }
    invoked.micros = outcome.micros;
    match outcome.status {
        Status::Partial => return false,
        Status::Ok => invoked.state = outcome.state,
        Status::Error | Status::Rebound | Status::Parked => {
            let unspecified = || ErrorInfo::new("unspecified", "the component gave no reason", false);
            invoked.error = Some(outcome.error.unwrap_or_else(unspecified));
        }
        Status::Suspect => {
            let text = "the component ended while it ran this; it may have been done or not";
            invoked.error = Some(ErrorInfo::new("component_died", text, false));
        }
    }
    true
}
