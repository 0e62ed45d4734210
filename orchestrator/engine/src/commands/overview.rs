//! Everything at a glance: flows, containers, the broker, alarms. What `sluice top` shows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sluice_domain::{Counters, DeploymentId, Flow, FlowId, FlowName, StepCounters, StepId};
use sluice_ports::broker::Health;
use sluice_ports::runtime::Usage;
use sluice_protocol::gateway::Role;

use crate::survey::{self, Used};
use crate::views::{DeploymentView, FlowStatus};
use crate::{CommandError, Engine};

/// Everything at a glance.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was put together.
    pub at: DateTime<Utc>,
    /// The flows by name.
    pub flows: Vec<FlowOverview>,
    /// The deployments by component.
    pub deployments: Vec<DeploymentOverview>,
    /// The broker.
    pub broker: BrokerOverview,
    /// What is wrong.
    pub alarms: Vec<Alarm>,
    /// Records that the router took since the process began.
    pub records: u64,
    /// Dead letters that wait for a decision.
    pub dead_letters: u64,
}

/// A flow at a glance.
#[derive(Debug, Clone)]
pub struct FlowOverview {
    /// Its id.
    pub id: FlowId,
    /// Its name.
    pub name: FlowName,
    /// How it stands.
    pub status: FlowStatus,
    /// Why, where there is something to say.
    pub reasons: Vec<String>,
    /// Messages that its triggers emitted.
    pub taken: u64,
    /// Runs of its actions that ended well.
    pub done: u64,
    /// All counters of its steps together.
    pub counters: StepCounters,
    /// Messages under way, as far as this process knows.
    pub under_way: u64,
    /// Batches that wait in its lanes; absent when nobody looked.
    pub waiting: Option<u64>,
    /// Batches that containers hold; absent without the broker's management API.
    pub unacknowledged: Option<u64>,
    /// When the oldest batch that waits was sent, where the broker says.
    pub oldest: Option<DateTime<Utc>>,
}

/// A deployment, and what its container uses. That is known some seconds after somebody first asked.
#[derive(Debug, Clone)]
pub struct DeploymentOverview {
    /// The deployment.
    pub deployment: DeploymentView,
    /// What its container used when that was last looked at, where the engine says.
    pub usage: Option<Usage>,
    /// Processors that it used in the seconds before.
    pub cpus: Option<f64>,
}

/// The broker at a glance.
#[derive(Debug, Clone)]
pub struct BrokerOverview {
    /// Why it cannot be used, when it cannot.
    pub trouble: Option<String>,
    /// Its version; absent without its management API.
    pub version: Option<String>,
    /// Connections to it, also of others; absent without its management API.
    pub connections: Option<u64>,
    /// Publishes that are not confirmed yet.
    pub unconfirmed: u64,
    /// Batches of outcomes that the router holds or that wait for it.
    pub router: u64,
    /// Messages that wait for their next attempt.
    pub retries: u64,
    /// What it could not deliver, since the process began: messages that became dead letters, batches that were sent again.
    pub undelivered: (u64, u64),
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What kind: `step_stuck`, `undelivered`, `broker_alarm`.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// The flow and the step that it is about.
    pub step: Option<(FlowName, StepId)>,
}

impl Engine {
    /// Everything at a glance.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn overview(&self) -> Result<Overview, CommandError> {
        let core = &self.core;
        let seen = core.survey.seen();
        let used = core.survey.uses.known();
        let deployments = self.deployments().await?;
        let meters = core.recorder.meters();
        let told = seen.broker.as_ref();
        let broker = BrokerOverview {
            trouble: match core.ports.broker.health() {
                Health::Up => None,
                Health::Blocked(reason) => Some(format!("it blocks publishing: {reason}")),
                Health::Down { reason, since } => Some(format!("away for {} s: {reason}", since.as_secs())),
            },
            version: told.map(|state| state.version.clone()),
            connections: told.map(|state| state.connections),
            unconfirmed: meters.unconfirmed.get(),
            router: seen.router,
            retries: seen.retries,
            undelivered: (meters.undelivered_dead.get(), meters.undelivered_restored.get()),
        };
        Ok(Overview {
            at: core.ports.clock.now(),
            flows: self.flow_overviews(&seen).await?,
            deployments: deployments.into_iter().map(|view| with_usage(&used, view)).collect(),
            broker,
            alarms: alarms(&seen),
            records: meters.records.get(),
            dead_letters: core.ports.store.count_waiting().await?,
        })
    }

    async fn flow_overviews(&self, seen: &survey::Seen) -> Result<Vec<FlowOverview>, CommandError> {
        let (core, snapshot) = (&self.core, self.core.snapshot());
        let backlogs = survey::backlogs(core, seen);
        let all_counters = core.ports.store.all_counters().await?;
        let none = Counters::default();
        let mut flows: Vec<&Flow> = snapshot.flows.values().collect();
        flows.sort_by(|a, b| a.name.cmp(&b.name));
        let mut found = Vec::with_capacity(flows.len());
        for flow in flows {
            let Some(live) = snapshot.current(flow.id) else { continue };
            let counters = all_counters.get(&flow.id).unwrap_or(&none);
            let (mut taken, mut done, mut all) = (0, 0, StepCounters::default());
            for (id, counts) in &counters.steps {
                all.add(counts);
                match live.compiled.steps.get(id).map(|step| step.role) {
                    Some(Role::Listener | Role::Polling | Role::Webhook) => taken += counts.emitted,
                    Some(Role::Action | Role::Respond) | None => done += counts.succeeded,
                }
            }
            let under_way: i64 = snapshot.versions_of(flow.id).map(|(_, live)| live.under_way()).sum();
            let backlog = backlogs.get(&flow.id).copied().unwrap_or_default();
            let (status, reasons) = self.status(flow, live, &snapshot);
            found.push(FlowOverview {
                id: flow.id,
                name: flow.name.clone(),
                status,
                reasons,
                taken,
                done,
                counters: all,
                under_way: u64::try_from(under_way).unwrap_or(0),
                waiting: backlog.waiting,
                unacknowledged: backlog.unacknowledged,
                oldest: backlog.oldest,
            });
        }
        Ok(found)
    }
}

fn with_usage(used: &BTreeMap<DeploymentId, Used>, deployment: DeploymentView) -> DeploymentOverview {
    let used = used.get(&deployment.spec.id).filter(|_| deployment.container.is_some());
    DeploymentOverview {
        usage: used.map(|used| used.usage),
        cpus: used.and_then(|used| used.cpus),
        deployment,
    }
}

fn alarms(seen: &survey::Seen) -> Vec<Alarm> {
    let stuck = seen.stuck.iter().map(|stuck| Alarm {
        code: "step_stuck",
        text: format!(
            "step {} of flow {} is stuck: nothing came of {} batches that it was given",
            stuck.step, stuck.flow, stuck.unacknowledged
        ),
        since: Some(stuck.since),
        step: Some((stuck.flow.clone(), stuck.step.clone())),
    });
    let undelivered = (seen.undelivered > 0).then(|| Alarm {
        code: "undelivered",
        text: format!("{} batches could not be delivered and wait to be looked at", seen.undelivered),
        since: None,
        step: None,
    });
    let broker = seen.broker.iter().flat_map(|state| &state.alarms).map(|text| Alarm {
        code: "broker_alarm",
        text: text.clone(),
        since: None,
        step: None,
    });
    stuck.chain(undelivered).chain(broker).collect()
}
