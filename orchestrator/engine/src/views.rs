//! What commands answer: domain values put together for showing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sluice_domain::oauth::AuthorizationState;
use sluice_domain::{
    AttachmentId, ContainerStartId, Counters, DeploymentId, DeploymentSpec, ExitInfo, Flow, FlowName, Scope,
    StepId,
};
use sluice_planner::Report;
use sluice_protocol::ComponentName;

/// How the authorisation of an instance stands.
#[derive(Debug, Clone)]
pub struct AuthorizationView {
    /// How it stands.
    pub state: AuthorizationState,
    /// The provider's own words on it.
    pub detail: Option<String>,
    /// What access was granted.
    pub scopes: Vec<String>,
    /// When the access token ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// When it was authorised last. Refreshes of its tokens leave that as it is.
    pub authorized_at: Option<DateTime<Utc>>,
    /// Why the last attempt to authorise it came to nothing, if it did: in the provider's own words, where it said
    /// something. Known until the next attempt or the end of the process.
    pub failure: Option<String>,
}

/// A flow and how it stands.
#[derive(Debug, Clone)]
pub struct FlowView {
    /// The flow.
    pub flow: Flow,
    /// How it stands.
    pub status: FlowStatus,
    /// Why, where there is something to say.
    pub reasons: Vec<String>,
    /// Its steps in the order of the graph.
    pub steps: Vec<StepView>,
    /// Its counters.
    pub counters: Counters,
    /// A drawing of its graph.
    pub graph: String,
}

/// How a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowStatus {
    /// Its containers are being started.
    Starting,
    /// It runs.
    Running,
    /// Inputs of it wait until a person authorises an instance.
    Parked,
    /// It runs, but its triggers wait because too much waits in its lanes.
    Crowded,
    /// It should run, but a container fails.
    Degraded,
    /// It is paused.
    Paused,
    /// It finishes what is under way.
    Stopping,
    /// It is stopped.
    Stopped,
    /// It is being deleted.
    Deleting,
}

/// A step of a flow and how it stands.
#[derive(Debug, Clone)]
pub struct StepView {
    /// The step.
    pub id: StepId,
    /// `component/function`.
    pub uses: String,
    /// The deployment that serves it.
    pub deployment: DeploymentId,
    /// Batches that wait in its lane; absent when the broker does not say.
    pub waiting: Option<u32>,
}

/// A deployment and how it stands.
#[derive(Debug, Clone)]
pub struct DeploymentView {
    /// What it runs.
    pub spec: DeploymentSpec,
    /// How it stands.
    pub status: DeploymentStatus,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Its container, while there is one.
    pub container: Option<ContainerView>,
    /// How its last container ended.
    pub last_exit: Option<ExitInfo>,
    /// How often it was started since the orchestrator runs.
    pub starts: u64,
    /// The flows that use it.
    pub flows: Vec<FlowName>,
}

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Its container is being started, or has not asked for work yet.
    Starting,
    /// Its container runs and has asked for work.
    Running,
    /// Its container ended again and again; the next start waits.
    CrashLoop,
    /// It has no container, because nothing was to be done for a while. The next message starts one.
    Idle,
    /// No flow needs it any more.
    Stopping,
    /// A process outside of the container engine is to serve it: its container ends, or the process has not asked for work
    /// lately.
    Attaching,
    /// A process outside of the container engine serves it.
    Attached,
}

/// Processes of an author in the place of a component's containers.
#[derive(Debug, Clone)]
pub struct AttachmentView {
    /// Its id.
    pub id: AttachmentId,
    /// The component.
    pub component: ComponentName,
    /// The version of it that was in use when it began.
    pub version: semver::Version,
    /// When it began.
    pub attached_at: DateTime<Utc>,
    /// What is to be served in its place now, by id.
    pub deployments: Vec<AttachedDeployment>,
}

/// A deployment that an attachment takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// Who shares it.
    pub scope: Scope,
    /// Whether its container is gone, so that a process may begin.
    pub free: bool,
    /// Whether a process serves it.
    pub served: bool,
    /// The flows that use it.
    pub flows: Vec<FlowName>,
}

/// A container of a deployment.
#[derive(Debug, Clone)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Which start it is.
    pub start: ContainerStartId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Memory that it may use, in bytes.
    pub memory_bytes: u64,
    /// Processor time that it may use, in billionths of a core.
    pub nano_cpus: i64,
    /// Processes and threads that it may have.
    pub pids: i64,
}

/// What `apply` did or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    /// The plan.
    pub items: Vec<PlanItem>,
    /// Warnings.
    pub report: Report,
    /// Whether it was done, or only planned.
    pub done: bool,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanItem {
    /// What happens.
    pub action: PlanAction,
    /// `template`, `instance` or `flow`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What changes in it, a line each.
    pub details: Vec<String>,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanAction {
    /// It is made.
    Add,
    /// It is changed in place.
    Change,
    /// It is removed.
    Remove,
    /// It is as it should be.
    Keep,
}

impl Applied {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.iter().all(|item| item.action == PlanAction::Keep)
    }
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing to do: everything is as the files say.");
        }
        for item in &self.items {
            let mark = match item.action {
                PlanAction::Add => "+",
                PlanAction::Change => "~",
                PlanAction::Remove => "-",
                PlanAction::Keep => "=",
            };
            writeln!(f, "{mark} {} {}: {}", item.kind, item.name, item.reason)?;
            for detail in &item.details {
                writeln!(f, "    {detail}")?;
            }
        }
        Ok(())
    }
}

/// Whether Sluice can do its work.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// What is missing, one sentence each.
    pub reasons: Vec<String>,
}
