//! The plan: what to do about containers, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sluice_domain::{ContainerStartId, DeploymentId, DeploymentSpec};
use sluice_ports::runtime::{Container, ContainerState};
use tokio::time::Instant;

use super::desired::Desired;
use crate::core::DeploymentState;

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The containers of the installation.
    pub(crate) containers: Vec<Container>,
    /// The starts whose tokens are known. A container of another start can never speak to the gateway.
    pub(crate) starts: BTreeSet<ContainerStartId>,
    /// Starts that did not speak to the gateway for too long.
    pub(crate) silent: BTreeSet<ContainerStartId>,
}

/// What to do, in this order: remove, then start.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) removals: Vec<Removal>,
    pub(crate) starts: Vec<Start>,
}

/// A container to remove.
#[derive(Debug, PartialEq)]
pub(crate) struct Removal {
    pub(crate) name: String,
    pub(crate) start: ContainerStartId,
    pub(crate) deployment: DeploymentId,
    /// Whether it may finish what is under way.
    pub(crate) gracefully: bool,
    pub(crate) reason: String,
}

/// A deployment to start a container for.
#[derive(Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) spec: DeploymentSpec,
    pub(crate) reason: String,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.starts.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for removal in &self.removals {
            write!(f, "{separator}- {} ({})", removal.name, removal.reason)?;
            separator = "; ";
        }
        for start in &self.starts {
            write!(f, "{separator}+ {} {} ({})", start.spec.component, start.spec.id, start.reason)?;
            separator = "; ";
        }
        Ok(())
    }
}

/// Compares what is needed with what is there. `states` says which deployments must wait after failures.
pub(crate) fn plan(
    wanted: &Desired,
    observed: &Observed,
    states: &BTreeMap<DeploymentId, DeploymentState>,
    now: Instant,
) -> Plan {
    let mut plan = Plan::default();
    let mut served: BTreeSet<DeploymentId> = BTreeSet::new();
    for container in &observed.containers {
        let needed = wanted.deployments.contains_key(&container.deployment);
        let (gracefully, reason) = match container.state {
            ContainerState::Exited(exit) => (false, format!("it ended with code {}", exit.code)),
            ContainerState::Transition | ContainerState::Running if !needed => {
                (true, "no flow needs it".to_owned())
            }
            ContainerState::Transition | ContainerState::Running
                if wanted.idle.contains(&container.deployment) =>
            {
                (true, "nothing was to be done for a while".to_owned())
            }
            ContainerState::Transition | ContainerState::Running
                if wanted.attached.contains_key(&container.deployment) =>
            {
                (true, "an attached process takes its place".to_owned())
            }
            ContainerState::Transition | ContainerState::Running
                if !observed.starts.contains(&container.start) =>
            {
                (true, "its token is not known".to_owned())
            }
            ContainerState::Transition | ContainerState::Running
                if observed.silent.contains(&container.start) =>
            {
                (false, "it hangs: the gateway did not hear from it".to_owned())
            }
            ContainerState::Transition | ContainerState::Running if !served.insert(container.deployment) => {
                (true, "another container serves its deployment".to_owned())
            }
            ContainerState::Transition | ContainerState::Running => continue,
        };
        let Container { name, start, deployment, .. } = container.clone();
        plan.removals.push(Removal { name, start, deployment, gracefully, reason });
    }
    for (id, spec) in &wanted.deployments {
        if served.contains(id) || wanted.attached.contains_key(id) || wanted.idle.contains(id) {
            continue;
        }
        let state = states.get(id);
        if state.and_then(|state| state.not_before).is_some_and(|at| at > now) {
            continue;
        }
        let reason = match state.map_or(0, |state| state.failures) {
            0 => "a flow needs it".to_owned(),
            failures => format!("it ended {failures} times"),
        };
        plan.starts.push(Start { spec: spec.clone(), reason });
    }
    plan
}

#[cfg(test)]
mod tests;
