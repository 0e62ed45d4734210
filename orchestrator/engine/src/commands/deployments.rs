//! Looking at deployments.

use std::sync::PoisonError;

use sluice_domain::FlowName;

use crate::core::DeploymentState;
use crate::views::{ContainerView, DeploymentView};
use crate::{CommandError, Engine, Snapshot};

impl Engine {
    /// All deployments, by component.
    ///
    /// # Errors
    /// None for now; the list is what the reconciler last saw.
    pub async fn deployments(&self) -> Result<Vec<DeploymentView>, CommandError> {
        let snapshot = self.core.snapshot();
        let exits = self.core.exits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let states = self.core.deployments();
        let mut views: Vec<DeploymentView> = states
            .values()
            .map(|state| DeploymentView {
                last_exit: exits.get(&state.spec.id).copied(),
                flows: users(&snapshot, state),
                ..view(state)
            })
            .collect();
        views.sort_by(|a, b| (&a.spec.component, a.spec.id).cmp(&(&b.spec.component, b.spec.id)));
        Ok(views)
    }
}

fn view(state: &DeploymentState) -> DeploymentView {
    DeploymentView {
        spec: state.spec.clone(),
        status: state.status,
        reason: state.reason.clone(),
        container: state.container.as_ref().map(|container| ContainerView {
            name: container.name.clone(),
            start: container.start,
            created_at: container.created_at,
            memory_bytes: container.limits.memory_bytes,
            nano_cpus: container.limits.nano_cpus,
            pids: container.limits.pids,
        }),
        last_exit: None,
        starts: state.starts,
        flows: Vec::new(),
    }
}

pub(super) fn users(snapshot: &Snapshot, state: &DeploymentState) -> Vec<FlowName> {
    let mut names: Vec<FlowName> = snapshot
        .versions
        .values()
        .filter(|live| {
            live.compiled.steps.values().any(|step| step.is_served() && step.deployment.id == state.spec.id)
        })
        .map(|live| live.compiled.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}
