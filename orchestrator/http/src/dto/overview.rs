//! Everything at a glance.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_engine::{Alarm, BrokerOverview, FlowOverview, Overview as View};
use utoipa::ToSchema;

use super::Deployment;

/// Everything at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// When it was put together.
    pub at: DateTime<Utc>,
    /// The server's version.
    pub version: String,
    /// The flows by name.
    pub flows: Vec<FlowAtAGlance>,
    /// The deployments and what their containers use.
    pub deployments: Vec<DeploymentAtAGlance>,
    /// The broker.
    pub broker: BrokerAtAGlance,
    /// What is wrong.
    pub alarms: Vec<AlarmAtAGlance>,
    /// Records that the router took since the server was started.
    pub records: u64,
    /// Dead letters that wait for a decision.
    pub dead_letters: u64,
}

/// A flow at a glance. Counters count from the flow's beginning.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FlowAtAGlance {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub status: String,
    /// Why, where there is something to say.
    pub reasons: Vec<String>,
    /// Messages that its triggers emitted.
    pub taken: u64,
    /// Runs of its actions that ended well.
    pub done: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were put off for a retry.
    pub retried: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages under way, as far as the server knows since it was started.
    pub under_way: u64,
    /// Batches that wait in its lanes; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// Batches that containers hold; absent without the broker's management API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unacknowledged: Option<u64>,
    /// How many seconds the oldest batch waits, where the broker says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

/// A deployment, and what its container uses.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeploymentAtAGlance {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// Memory that the container uses, in bytes, where the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Processors that it used in the last seconds, where the engine says. Known some seconds after somebody first asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus_used: Option<f64>,
}

/// The broker at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BrokerAtAGlance {
    /// Whether it can be used.
    pub up: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Its version; absent without its management API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Connections to it, also of others; absent without its management API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Publishes of the server that are not confirmed yet.
    pub unconfirmed: u64,
    /// Batches of outcomes that the router holds or that wait for it.
    pub router: u64,
    /// Messages that wait for their next attempt.
    pub retries: u64,
    /// Messages that it could not deliver and that became dead letters, since the server was started.
    pub undelivered_dead: u64,
    /// Batches that it could not deliver and that were sent again, since the server was started.
    pub undelivered_restored: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlarmAtAGlance {
    /// What kind: `step_stuck`, `undelivered` or `broker_alarm`.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// The flow that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The step that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl From<View> for Overview {
    fn from(view: View) -> Self {
        let at = view.at;
        Self {
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            flows: view.flows.into_iter().map(|flow| flow_of(flow, at)).collect(),
            deployments: view
                .deployments
                .into_iter()
                .map(|view| DeploymentAtAGlance {
                    deployment: view.deployment.into(),
                    memory_used_bytes: view.usage.map(|usage| usage.memory_bytes),
                    cpus_used: view.cpus,
                })
                .collect(),
            broker: view.broker.into(),
            alarms: view.alarms.into_iter().map(Into::into).collect(),
            records: view.records,
            dead_letters: view.dead_letters,
        }
    }
}

fn flow_of(view: FlowOverview, at: DateTime<Utc>) -> FlowAtAGlance {
    let status = serde_json::to_value(view.status).unwrap_or_default();
    FlowAtAGlance {
        id: view.id.to_string(),
        name: view.name.to_string(),
        status: status.as_str().unwrap_or_default().to_owned(),
        reasons: view.reasons,
        taken: view.taken,
        done: view.done,
        failed: view.counters.failed,
        retried: view.counters.retried,
        dead: view.counters.dead,
        under_way: view.under_way,
        waiting: view.waiting,
        unacknowledged: view.unacknowledged,
        oldest_seconds: view.oldest.map(|oldest| (at - oldest).to_std().unwrap_or_default().as_secs()),
    }
}

impl From<BrokerOverview> for BrokerAtAGlance {
    fn from(view: BrokerOverview) -> Self {
        Self {
            up: view.trouble.is_none(),
            trouble: view.trouble,
            version: view.version,
            connections: view.connections,
            unconfirmed: view.unconfirmed,
            router: view.router,
            retries: view.retries,
            undelivered_dead: view.undelivered.0,
            undelivered_restored: view.undelivered.1,
        }
    }
}

impl From<Alarm> for AlarmAtAGlance {
    fn from(alarm: Alarm) -> Self {
        let (flow, step) = alarm.step.map(|(flow, step)| (flow.to_string(), step.to_string())).unzip();
        Self { code: alarm.code.to_owned(), text: alarm.text, since: alarm.since, flow, step }
    }
}
