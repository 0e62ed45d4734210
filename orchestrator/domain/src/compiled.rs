//! Compiled flows: what the planner makes of a template, its parameters and its instances, and what the engine runs.
//!
//! A compiled flow is self-contained and immutable. The store keeps every version, because messages finish on the
//! version that they started on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_protocol::gateway::Role;
use sluice_protocol::{FunctionName, Port};

use crate::topology::LaneName;
use crate::{
    Delay, DeploymentSpec, ErrorRoute, FlowId, FlowName, FlowVersion, Gate, InstanceName, RetryPolicy,
    Schedule, StepAddress, StepId, TemplateName,
};

/// One version of one flow, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompiledFlow {
    /// The flow.
    pub id: FlowId,
    /// Its name.
    pub name: FlowName,
    /// Which version this is.
    pub version: FlowVersion,
    /// The template it was made of.
    pub template: TemplateName,
    /// The template's version.
    pub template_version: semver::Version,
    /// The parameters, defaults filled in.
    pub params: Value,
    /// The steps. Boxed, since the nodes of a map keep places for eleven, and most flows have three or four steps.
    pub steps: BTreeMap<StepId, Box<CompiledStep>>,
}

/// One step of a compiled flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompiledStep {
    /// The function.
    pub function: FunctionName,
    /// How it gets its work.
    pub role: Role,
    /// The deployment that serves it.
    pub deployment: DeploymentSpec,
    /// The lane of its inputs. Listeners have one too, which stays empty; that of a webhook is never declared.
    pub lane: LaneName,
    /// The instance that it uses.
    pub instance: Option<InstanceName>,
    /// The config.
    pub config: Value,
    /// What happens to messages on their way in.
    pub gate: Gate,
    /// Where its outputs go, by port, in the order of the template.
    pub next: BTreeMap<Port, Vec<StepId>>,
    /// Which earlier outputs a message to this step carries along, because a mapping behind it reads them.
    pub carries: Carry,
    /// When it ticks.
    pub schedule: Option<Schedule>,
    /// When failed inputs are tried again.
    pub retry: RetryPolicy,
    /// How long one run may take.
    pub timeout: Delay,
    /// How many runs may go on at a time.
    pub concurrency: u32,
    /// What happens to an input that failed for good.
    pub on_error: ErrorRoute,
    /// What closes that which the trigger opened, when the flow ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_with: Option<FunctionName>,
}

impl CompiledStep {
    /// Whether its deployment serves it. The orchestrator itself takes requests and answers them: that needs no container
    /// and no lane.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !matches!(self.role, Role::Webhook | Role::Respond)
    }
}

/// Which earlier outputs a message carries along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carry {
    /// Those of these steps.
    Only(BTreeSet<StepId>),
    /// All, because an expression behind it may read any.
    All,
}

impl Carry {
    /// Carries nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether the output of `step` is carried.
    #[must_use]
    pub fn has(&self, step: &StepId) -> bool {
        match self {
            Self::All => true,
            Self::Only(steps) => steps.contains(step),
        }
    }

    /// Carries what either of them carries.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(a.union(b).cloned().collect()),
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

impl CompiledFlow {
    /// The address of a step of this version.
    #[must_use]
    pub fn address(&self, step: &StepId) -> StepAddress {
        StepAddress { flow: self.id, version: self.version, step: step.clone() }
    }

    /// The deployments that this version needs, each once.
    #[must_use]
    pub fn deployments(&self) -> Vec<&DeploymentSpec> {
        let served = self.steps.values().filter(|step| step.is_served());
        let by_id: BTreeMap<_, _> = served.map(|step| (step.deployment.id, &step.deployment)).collect();
        by_id.into_values().collect()
    }
}
