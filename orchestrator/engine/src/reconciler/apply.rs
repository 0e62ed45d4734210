//! Applying a plan, and taking in what the world looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{BoxFuture, join_all};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sluice_domain::{ContainerStart, ContainerStartId, DeploymentId, ExitInfo, Limits};
use sluice_ports::runtime::{Container, ContainerSpec, ContainerState};
use sluice_ports::{PortError, failpoint};
use sluice_protocol::gateway::Boot;
use tokio::time::Instant;
use tracing::{info, warn};

use super::desired::Desired;
use super::plan::{Observed, Plan, Removal, Start};
use super::retire;
use crate::core::{Core, DeploymentState};
use crate::views::DeploymentStatus;

/// A container that ran for longer than this counts as one that worked.
const STABLE: Duration = Duration::from_secs(60);
/// A container that is neither running nor ended for longer than this was left over by a process that died.
const NEVER_STARTED: Duration = Duration::from_secs(60);
/// A process in the place of a container that asked for work this long ago counts as one that serves. Somewhat more than
/// components let themselves be kept waiting.
const HEARD: Duration = Duration::from_secs(45);
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MOST: Duration = Duration::from_secs(60);

/// Starts that did not speak to the gateway for too long, and containers that were made but never started.
pub(crate) fn silent(core: &Core, containers: &[Container]) -> BTreeSet<ContainerStartId> {
    let limit = core.settings.liveness;
    let silent = |at: &Instant| at.elapsed() > limit;
    let now = core.ports.clock.now();
    let stuck = |container: &&Container| {
        let age = (now - container.created_at).to_std().unwrap_or_default();
        container.state == ContainerState::Transition && age > NEVER_STARTED
    };
    let stuck: Vec<ContainerStartId> =
        containers.iter().filter(stuck).map(|container| container.start).collect();
    let contacts = core.contacts();
    contacts.iter().filter(|(_, at)| silent(at)).map(|(start, _)| *start).chain(stuck).collect()
}

/// Updates what is known of the deployments: which container serves them, and which ended.
pub(crate) fn take_in(
    core: &Core,
    states: &mut BTreeMap<DeploymentId, DeploymentState>,
    wanted: &Desired,
    observed: &Observed,
) {
    for (id, spec) in &wanted.deployments {
        states.entry(*id).or_insert_with(|| DeploymentState::new(spec.clone()));
    }
    for state in states.values_mut() {
        state.container = None;
        let idle = wanted.idle.contains(&state.spec.id);
        if !wanted.deployments.contains_key(&state.spec.id) {
            state.status = DeploymentStatus::Stopping;
        } else if let Some(start) = wanted.attached.get(&state.spec.id) {
            attached(core, state, *start);
        } else if is_attached(state) || (state.status == DeploymentStatus::Idle && !idle) {
            *state = DeploymentState { starts: state.starts, ..DeploymentState::new(state.spec.clone()) };
        }
    }
    for container in &observed.containers {
        let Some(state) = states.get_mut(&container.deployment) else { continue };
        match container.state {
            ContainerState::Running | ContainerState::Transition => {
                let spoke = {
                    let mut contacts = core.contacts();
                    let known = contacts.contains_key(&container.start);
                    if !known && container.state == ContainerState::Running && state.starts == 0 {
                        // Adopted from a process before this one: it gets its time to speak.
                        contacts.insert(container.start, Instant::now());
                    }
                    known
                };
                if state.status != DeploymentStatus::Stopping && !is_attached(state) {
                    state.status = if spoke { DeploymentStatus::Running } else { DeploymentStatus::Starting };
                    if spoke {
                        state.reason = None;
                    }
                }
                state.container = Some(container.clone());
            }
            ContainerState::Exited(exit) => {
                core.exits.lock().unwrap_or_else(PoisonError::into_inner).insert(container.deployment, exit);
                if state.ended.replace(container.start) != Some(container.start) {
                    let how = how_it_ended(exit);
                    core.recorder.meters().exits.add([state.spec.component.as_str(), how]);
                }
                if is_attached(state) {
                    continue;
                }
                let age = (core.ports.clock.now() - container.created_at).to_std().unwrap_or_default();
                let memory = if exit.out_of_memory { ", out of memory" } else { "" };
                note_failure(
                    core,
                    state,
                    age,
                    format!("its container ended with code {}{memory}", exit.code),
                );
            }
        }
    }
    for state in states.values_mut().filter(|state| wanted.idle.contains(&state.spec.id)) {
        if state.container.is_none() {
            (state.status, state.reason) = (DeploymentStatus::Idle, None);
            (state.failures, state.not_before) = (0, None);
        }
    }
    states.retain(|id, state| wanted.deployments.contains_key(id) || state.container.is_some());
}

/// How a container ended, as the metrics say it.
fn how_it_ended(exit: ExitInfo) -> &'static str {
    match exit {
        ExitInfo { out_of_memory: true, .. } => "out_of_memory",
        ExitInfo { code: 0, .. } => "done",
        ExitInfo { .. } => "failed",
    }
}

/// A deployment that a process of an author is to serve. What its containers did before counts no more.
fn attached(core: &Core, state: &mut DeploymentState, start: Option<ContainerStartId>) {
    let heard = |start| core.contacts().get(&start).is_some_and(|at| at.elapsed() < HEARD);
    (state.failures, state.not_before) = (0, None);
    if start.is_some_and(heard) {
        (state.status, state.reason) = (DeploymentStatus::Attached, None);
    } else {
        let reason = "it waits for a process that is attached in the place of its container";
        (state.status, state.reason) = (DeploymentStatus::Attaching, Some(reason.to_owned()));
    }
}

fn is_attached(state: &DeploymentState) -> bool {
    matches!(state.status, DeploymentStatus::Attaching | DeploymentStatus::Attached)
}

/// The first failure after a stable run is mended at once; each further one waits twice as long as the one before.
fn note_failure(core: &Core, state: &mut DeploymentState, age: Duration, reason: String) {
    state.failures = if age > STABLE { 1 } else { state.failures.saturating_add(1) };
    state.reason = Some(reason);
    if state.failures > 1 {
        let doublings = (state.failures - 2).min(16);
        let wait = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MOST);
        state.not_before = Some(Instant::now() + wait.mul_f64(jitter(core.ports.entropy.bits())));
        state.status = DeploymentStatus::CrashLoop;
    } else {
        state.status = DeploymentStatus::Starting;
    }
}

/// Three quarters to one, so that containers that ended together do not start together.
fn jitter(bits: u128) -> f64 {
    let thousandths = u32::try_from(bits % 1000).unwrap_or(0);
    0.75 + f64::from(thousandths) / 4000.0
}

/// Carries a plan out. What fails is tried again at the next activation.
pub(crate) async fn apply(core: &Core, plan: &Plan) {
    let mut removals: Vec<BoxFuture<'_, ()>> = Vec::new();
    for removal in &plan.removals {
        removals.push(Box::pin(remove_or_warn(core, removal)));
    }
    join_all(removals).await;
    let mut starts: Vec<BoxFuture<'_, ()>> = Vec::new();
    for start in &plan.starts {
        starts.push(Box::pin(begin_or_note(core, start)));
    }
    join_all(starts).await;
}

async fn remove_or_warn(core: &Core, removal: &Removal) {
    if let Err(error) = remove(core, removal).await {
        warn!(container = removal.name, error = crate::chain(&error), "cannot remove a container");
    }
}

async fn begin_or_note(core: &Core, start: &Start) {
    let Err(error) = begin(core, start).await else { return };
    let (id, reason) = (start.spec.id, crate::chain(&error));
    warn!(deployment.id = %id, connector.name = %start.spec.component, error = reason, "cannot start a container");
    core.recorder.meters().start_failures.add([start.spec.component.as_str()]);
    if let Some(state) = core.deployments().get_mut(&id) {
        note_failure(core, state, Duration::ZERO, reason);
    }
}

async fn remove(core: &Core, removal: &Removal) -> Result<(), PortError> {
    let runtime = &core.ports.runtime;
    if removal.gracefully {
        runtime.stop(&removal.name, core.settings.grace).await?;
        failpoint::reach("container_after_stop").await?;
    }
    runtime.remove(&removal.name).await?;
    failpoint::reach("container_after_remove").await?;
    if let Some(users) = &core.ports.users {
        users.revoke(removal.start).await?;
    }
    failpoint::reach("user_after_revoke").await?;
    if !retire::is_needed(core, removal.deployment) {
        // It only served invocations. Before the record goes, so that a process that dies in between finds it again.
        retire::forget(core, removal.deployment).await?;
    }
    core.ports.store.remove_start(removal.start).await?;
    core.egress.passes.forget(removal.start);
    core.contacts().remove(&removal.start);
    Ok(())
}

async fn begin(core: &Core, start: &Start) -> Result<(), PortError> {
    let spec = &start.spec;
    let id = ContainerStartId::from_bits(core.ports.entropy.bits());
    let token =
        SecretString::from(format!("sluice_run_{}", URL_SAFE_NO_PAD.encode(core.ports.entropy.secret())));
    let record = ContainerStart {
        id,
        deployment: spec.id,
        token_hash: Sha256::digest(token.expose_secret().as_bytes()).into(),
        started_at: core.ports.clock.now(),
    };
    core.ports.store.put_start(&record).await?;
    failpoint::reach("container_after_record").await?;
    let defaults = core.settings.limits;
    let limits =
        Limits { memory: spec.limits.memory.or(defaults.memory), cpus: spec.limits.cpus.or(defaults.cpus) };
    let container = ContainerSpec {
        name: format!("sluice-{}-{}", core.settings.installation, spec.id),
        deployment: spec.id,
        start: id,
        digest: spec.digest.clone(),
        image: spec.image.clone(),
        limits,
    };
    let boot = Boot { gateway: core.settings.gateway_url.clone(), token: token.expose_secret().to_owned() };
    let boot = SecretString::from(serde_json::to_string(&boot).expect("a boot line is plain JSON"));
    match core.ports.runtime.start(&container, &boot).await {
        Ok(limits) => {
            info!(deployment.id = %spec.id, connector.name = %spec.component, ?limits, "container started");
            core.contacts().insert(id, Instant::now());
            if let Some(state) = core.deployments().get_mut(&spec.id) {
                state.starts += 1;
                let (meters, component) = (core.recorder.meters(), [spec.component.as_str()]);
                meters.starts.add(component);
                meters.restarts.expect(component);
                if state.starts > 1 || state.failures > 0 {
                    meters.restarts.add(component);
                }
            }
            Ok(())
        }
        Err(error) => {
            core.ports.store.remove_start(id).await?;
            core.egress.passes.forget(id);
            Err(error)
        }
    }
}
