//! Flows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_engine::{FlowStatus, FlowView, LogEntry};
use utoipa::ToSchema;

/// A flow and how it stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// The flow as its operator wants it.
    #[serde(flatten)]
    pub flow: FlowState,
    /// How it stands: `starting`, `running`, `crowded`, `degraded`, `paused`, `stopping`, `stopped` or `deleting`.
    pub status: String,
    /// Why, where there is something to say.
    pub reasons: Vec<String>,
    /// Its steps in the order of the graph.
    pub steps: Vec<Step>,
    /// A drawing of its graph.
    pub graph: String,
}

/// A flow as its operator wants it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FlowState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The template it is made of, as asked for.
    pub template: String,
    /// The parameters, as given.
    pub params: Value,
    /// Which instance stands for which alias.
    pub instances: BTreeMap<String, String>,
    /// The version that new messages start on.
    pub version: u32,
    /// What the operator wants: `run`, `pause`, `stop` or `delete`.
    pub intent: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// A step of a flow and how it stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its id.
    pub id: String,
    /// `component/function`.
    pub uses: String,
    /// The deployment that serves it.
    pub deployment: String,
    /// Batches that wait in its lane; absent when the broker does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Its counters.
    pub counters: StepCounters,
}

/// The counters of a step. They are exact, whatever history records.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StepCounters {
    /// Messages sent to the step; for a trigger, runs that emitted something.
    pub received: u64,
    /// Runs that ended well.
    pub succeeded: u64,
    /// Messages that it emitted.
    pub emitted: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were put off for a retry.
    pub retried: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages that its condition dropped.
    pub filtered: u64,
    /// Outcomes that were known already.
    pub duplicates: u64,
    /// Ticks that were skipped.
    pub skipped: u64,
    /// Microseconds that its function ran.
    pub micros: u64,
}

/// What to send through a flow.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The trigger to fire, or to pretend that it emitted `body`; may be left out when the flow has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// A message as if the trigger had emitted it. Without one, a polling trigger is asked at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// What was sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Triggered {
    /// The id of the message.
    pub message: String,
}

/// A line of the log of a flow's containers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The component that wrote it.
    pub component: String,
    /// When, where the container engine says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The text.
    pub text: String,
}

impl From<FlowView> for Flow {
    fn from(view: FlowView) -> Self {
        let counters =
            |step: &sluice_domain::StepId| view.counters.steps.get(step).map(Into::into).unwrap_or_default();
        let steps = view.steps.iter().map(|step| Step {
            id: step.id.to_string(),
            uses: step.uses.clone(),
            deployment: step.deployment.to_string(),
            waiting: step.waiting,
            counters: counters(&step.id),
        });
        Self {
            steps: steps.collect(),
            status: status(view.status).to_owned(),
            reasons: view.reasons,
            graph: view.graph,
            flow: view.flow.into(),
        }
    }
}

fn status(status: FlowStatus) -> &'static str {
    match status {
        FlowStatus::Starting => "starting",
        FlowStatus::Running => "running",
        FlowStatus::Parked => "parked",
        FlowStatus::Crowded => "crowded",
        FlowStatus::Degraded => "degraded",
        FlowStatus::Paused => "paused",
        FlowStatus::Stopping => "stopping",
        FlowStatus::Stopped => "stopped",
        FlowStatus::Deleting => "deleting",
    }
}

impl From<sluice_domain::Flow> for FlowState {
    fn from(flow: sluice_domain::Flow) -> Self {
        Self {
            id: flow.id.to_string(),
            name: flow.name.to_string(),
            template: flow.template.to_string(),
            params: flow.params,
            instances: flow
                .instances
                .iter()
                .map(|(alias, name)| (alias.to_string(), name.to_string()))
                .collect(),
            version: flow.version.0,
            intent: flow.intent.to_string(),
            created_at: flow.created_at,
            updated_at: flow.updated_at,
        }
    }
}

impl From<&sluice_domain::StepCounters> for StepCounters {
    fn from(counters: &sluice_domain::StepCounters) -> Self {
        Self {
            received: counters.received,
            succeeded: counters.succeeded,
            emitted: counters.emitted,
            failed: counters.failed,
            retried: counters.retried,
            dead: counters.dead,
            filtered: counters.filtered,
            duplicates: counters.duplicates,
            skipped: counters.skipped,
            micros: counters.micros,
        }
    }
}

impl From<LogEntry> for LogLine {
    fn from(entry: LogEntry) -> Self {
        Self { component: entry.component.to_string(), at: entry.line.at, text: entry.line.text }
    }
}
