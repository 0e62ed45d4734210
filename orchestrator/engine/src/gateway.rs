//! What components ask: where their broker is, which steps they serve, and the credentials of an instance.
//!
//! A container start is known by the hash of its token. It learns only of its own deployment.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sluice_domain::compiled::CompiledStep;
use sluice_domain::oauth::OAuth2;
use sluice_domain::topology::LaneName;
use sluice_domain::{
    Connector, ContainerStart, DeploymentId, Flow, Instance, InstanceName, Intent, topology,
};
use sluice_ports::PortError;
use sluice_ports::store::StoredInstance;
use sluice_protocol::MessageId;
use sluice_protocol::gateway::{
    Assignment, Assignments, BrokerAccess, Credentials, EgressAccess, Role, Session, SessionRequest,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::authorizations::{self, NoToken, version_of};
use crate::core::Core;
use crate::egress;
use crate::secrets::Shelf;
use crate::table::{LiveFlow, Table};
use crate::{CommandError, Engine};

/// Longest that a component may wait for news.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why a component's question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The token belongs to no container start.
    #[error("the token belongs to no container that runs")]
    Unauthorized,
    /// A person has to authorise the instance. Says how it stands, in one sentence.
    #[error("{0}")]
    NeedsAuthorization(String),
    /// The deployment uses no such instance.
    #[error("the deployment uses no such instance")]
    NotFound,
    /// The deployment serves no such step.
    #[error("the deployment serves no such step")]
    NoStep,
    /// Something that is needed is away.
    #[error("the answer cannot be had now")]
    Unavailable(#[source] CommandError),
}

impl From<PortError> for GatewayError {
    fn from(error: PortError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl Engine {
    /// Opens the session of a container start: a broker user of its own and where to write to.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn gateway_session(
        &self,
        token: &str,
        request: SessionRequest,
    ) -> Result<Session, GatewayError> {
        let core = &self.core;
        let start = start_of(core, token).await?;
        let broker = &core.settings.broker;
        let (username, password) = match (&core.ports.users, &broker.shared) {
            (Some(users), _) => {
                let password = SecretString::from(hex(&core.ports.entropy.secret()));
                users.grant(start.id, start.deployment, &password).await?;
                (users.name(start.id), password)
            }
            (None, Some((username, password))) => (username.clone(), password.clone()),
            (None, None) => {
                let reason = "neither the broker's management API nor a user for components is configured";
                let error = PortError::new(
                    sluice_ports::Fault::Permanent,
                    "give a component access to the broker",
                    reason,
                );
                return Err(error.into());
            }
        };
        info!(deployment.id = %start.deployment, start.id = %start.id, sdk = request.sdk, "a component opened its session");
        Ok(Session {
            deployment: start.deployment.to_string(),
            broker: BrokerAccess {
                host: broker.host.clone(),
                port: broker.port,
                tls: broker.tls,
                vhost: broker.vhost.clone(),
                username,
                password: password.expose_secret().to_owned(),
            },
            exchange: topology::exchange(start.deployment),
            suspects: topology::suspects_queue(start.deployment),
            invocations: topology::invocations_queue(start.deployment),
            common: Some(LaneName::common(start.deployment).to_string()),
            egress: way_out(core, &start),
        })
    }

    /// What a container start is to serve; none when nothing changed since revision `since` within `wait`.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn gateway_assignments(
        &self,
        token: &str,
        since: u64,
        wait: Duration,
    ) -> Result<Option<Assignments>, GatewayError> {
        let core = &self.core;
        let start = start_of(core, token).await?;
        let mut changes = core.table.changes();
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            changes.mark_unchanged();
            // Each list costs in proportion to all flows, and most questions come when nothing has changed.
            if !core.table.is_told(start.deployment, since) {
                let mark = core.table.count();
                let assignments = assignments(&core.table, start.deployment);
                let revision = revision(&assignments);
                core.table.note_told(start.deployment, revision, mark);
                if revision != since {
                    return Ok(Some(Assignments { revision, drain: false, assignments }));
                }
            }
            tokio::select! {
                biased;
                () = changes.changed() => {}
                () = tokio::time::sleep_until(until) => {
                    core.contacts().insert(start.id, Instant::now());
                    return Ok(None);
                }
            }
        }
    }

    /// The settings and secrets of an instance that the deployment uses. Of an OAuth instance these are an access token
    /// that works, refreshed if its end is near or if `refused` names the version that the other side refused, and what
    /// the connector sends besides it.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn gateway_credentials(
        &self,
        token: &str,
        instance: &str,
        refused: Option<u64>,
    ) -> Result<Credentials, GatewayError> {
        let core = &self.core;
        let start = start_of(core, token).await?;
        let name = served(core, &start, instance)?;
        let stored = core.ports.store.instance(&name).await?.ok_or(GatewayError::NotFound)?;
        // Without the catalogue nobody knows whether the stored secrets are for components at all.
        let catalogue = core.catalogue().await?;
        let connector = catalogue.choose(stored.instance.connector.as_str(), None);
        if let Some((connector, declared)) =
            connector.and_then(|connector| Some((connector, authorizations::declared(connector)?)))
        {
            return with_token(core, connector, declared, stored, refused).await;
        }
        let secrets = opened(core, &stored, |_| true)?;
        let version = version_of(&stored.instance, None);
        let revision = stored.instance.revision;
        Ok(Credentials { version, revision, settings: stored.instance.settings, secrets })
    }
}

/// The way out of a container. A process in the place of one is somewhere else, and has ways of its own.
fn way_out(core: &Core, start: &ContainerStart) -> Option<EgressAccess> {
    let place = core.settings.egress.as_ref()?;
    if core.attachments.start_by_token(&start.token_hash).is_some() {
        return None;
    }
    core.egress.passes.note(start);
    Some(EgressAccess {
        url: place.url.clone(),
        username: start.id.to_string(),
        password: egress::password(start),
        broker: place.broker,
    })
}

async fn with_token(
    core: &Core,
    connector: &Connector,
    declared: &OAuth2,
    stored: StoredInstance,
    refused: Option<u64>,
) -> Result<Credentials, GatewayError> {
    let token = authorizations::token(core, connector, declared, &stored, refused).await;
    let token = token.map_err(|none| match none {
        NoToken::NeedsAuthorization(how) => GatewayError::NeedsAuthorization(how),
        NoToken::Failed(error) => GatewayError::Unavailable(error),
    })?;
    let wanted = connector.manifest().map(|manifest| manifest.auth.beside_token()).unwrap_or_default();
    let mut secrets = opened(core, &stored, |field| wanted.contains(&field))?;
    secrets.insert("access_token".to_owned(), Value::String(token.access.expose_secret().to_owned()));
    let Instance { revision, settings, .. } = stored.instance;
    Ok(Credentials { version: token.version, revision, settings, secrets })
}

/// Those secrets of an instance that are wanted.
fn opened(
    core: &Core,
    stored: &StoredInstance,
    wanted: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, GatewayError> {
    let name = &stored.instance.name;
    let fields = stored.secrets.iter().filter(|(field, _)| wanted(field));
    let secrets = fields.map(|(field, sealed)| match Shelf::of(&stored.instance, field).open(core, (name, field), sealed) {
        Ok(secret) => Ok((field.clone(), Value::String(secret.expose_secret().to_owned()))),
        Err(error) => {
            warn!(instance.name = %name, field, error = crate::chain(&error), "a secret cannot be opened");
            Err(error.into())
        }
    });
    secrets.collect()
}

/// The instance of this name, if the deployment of a container uses it.
pub(crate) fn served(
    core: &Core,
    start: &ContainerStart,
    instance: &str,
) -> Result<InstanceName, GatewayError> {
    let name: InstanceName = instance.parse().map_err(|_| GatewayError::NotFound)?;
    let snapshot = core.snapshot();
    let mut steps = snapshot.versions.values().flat_map(|live| live.compiled.steps.values());
    let serves =
        steps.any(|step| step.deployment.id == start.deployment && step.instance.as_ref() == Some(&name));
    if serves || core.invocations.uses(start.deployment, &name) {
        Ok(name)
    } else {
        Err(GatewayError::NotFound)
    }
}

pub(crate) async fn start_of(core: &Arc<Core>, token: &str) -> Result<ContainerStart, GatewayError> {
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let start = match core.attachments.start_by_token(&hash) {
        Some(start) => start,
        None => core.ports.store.start_by_token(&hash).await?.ok_or(GatewayError::Unauthorized)?,
    };
    core.contacts().insert(start.id, Instant::now());
    Ok(start)
}

/// What a deployment serves, in a stable order.
fn assignments(table: &Table, deployment: DeploymentId) -> Vec<Assignment> {
    let snapshot = table.snapshot();
    let mut all = Vec::new();
    for (key, live) in &snapshot.versions {
        let Some(flow) = snapshot.flows.get(&key.0) else { continue };
        if snapshot.released.contains(key) {
            continue;
        }
        for (id, step) in &live.compiled.steps {
            if step.deployment.id != deployment || !step.is_served() {
                continue;
            }
            let current = flow.version == live.compiled.version;
            let waits = snapshot.waits(step);
            if step.role == Role::Listener && !(current && snapshot.may_fire(flow.id) && !waits) {
                continue;
            }
            let lane = (step.role != Role::Listener).then(|| table.placements().read(&step.lane));
            // A step that waits gets a lane of its own. What it has in the common one still runs.
            let own = lane.as_ref().is_none_or(|lane| !lane.is_common());
            all.push(Assignment {
                paused: own && (waits || flow.intent == Intent::Pause),
                queue: lane.as_ref().map(ToString::to_string),
                revision: step.instance.as_ref().and_then(|name| snapshot.revisions.get(name).copied()),
                ..assignment(live, flow, (id, step))
            });
        }
    }
    all
}

fn assignment(
    live: &LiveFlow,
    flow: &Flow,
    (id, step): (&sluice_domain::StepId, &CompiledStep),
) -> Assignment {
    Assignment {
        step: live.compiled.address(id).to_key(),
        function: step.function.clone(),
        role: step.role,
        queue: None,
        config: step.config.clone(),
        instance: step.instance.as_ref().map(ToString::to_string),
        revision: None,
        concurrency: step.concurrency,
        timeout_ms: step.timeout.millis(),
        routing_key: topology::routing_key(flow.id.shard()),
        paused: false,
    }
}

/// Equal assignments have equal revisions, in every process; zero is never one.
fn revision(assignments: &[Assignment]) -> u64 {
    let text = serde_json::to_vec(assignments).expect("assignments are plain JSON");
    let hash = MessageId::derive("assignments", &text).bits();
    u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(1).max(1)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
