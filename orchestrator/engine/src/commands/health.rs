//! Readiness and metrics.

use std::collections::BTreeMap;

use sluice_domain::StepCounters;
use sluice_domain::oauth::AuthorizationState;
use sluice_ports::broker::Health;

use crate::authorizations::{declared, state_of};
use crate::views::{DeploymentStatus, Readiness};
use crate::{CommandError, Engine};

/// One metric with its samples, in the model of Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: MetricKind,
    /// Labels and values.
    pub samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

type Pick = fn(&StepCounters) -> u64;

const COUNTERS: [(&str, &str, Pick); 9] = [
    ("sluice_step_received_total", "Messages sent to the step.", |c| c.received),
    ("sluice_step_succeeded_total", "Step runs that ended well.", |c| c.succeeded),
    ("sluice_step_emitted_total", "Messages that the step emitted.", |c| c.emitted),
    ("sluice_step_failed_total", "Attempts that failed.", |c| c.failed),
    ("sluice_step_retried_total", "Attempts that were put off for a retry.", |c| c.retried),
    ("sluice_step_dead_total", "Dead letters.", |c| c.dead),
    ("sluice_step_filtered_total", "Messages that the step's condition dropped.", |c| c.filtered),
    ("sluice_step_duplicates_total", "Outcomes that were known already.", |c| c.duplicates),
    ("sluice_step_skipped_total", "Ticks that were skipped.", |c| c.skipped),
];

impl Engine {
    /// Whether Sluice can do its work, and what is missing otherwise.
    pub async fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        match self.core.ports.broker.health() {
            Health::Up => {}
            Health::Blocked(reason) => reasons.push(format!("the broker blocks publishing: {reason}")),
            Health::Down { reason, since } => {
                reasons.push(format!("the broker is away for {} s: {reason}", since.as_secs()));
            }
        }
        if let Err(error) = self.core.ports.runtime.version().await {
            reasons.push(format!("the container engine is away: {}", crate::chain(&error)));
        }
        if let Err(error) = self.core.ports.store.count_waiting().await {
            reasons.push(format!("the store does not answer: {}", crate::chain(&error)));
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Everything that there is to measure.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn metrics(&self) -> Result<Vec<Metric>, CommandError> {
        let snapshot = self.core.snapshot();
        let mut steps = Vec::new();
        for flow in snapshot.flows.values() {
            let counters = self.core.ports.store.counters(flow.id).await?;
            for (step, counts) in counters.steps {
                steps.push((vec![("flow", flow.name.to_string()), ("step", step.to_string())], counts));
            }
        }
        let mut metrics: Vec<Metric> = COUNTERS
            .iter()
            .map(|(name, help, pick)| {
                let samples =
                    steps.iter().map(|(labels, counts)| (labels.clone(), float(pick(counts)))).collect();
                Metric { name, help, kind: MetricKind::Counter, samples }
            })
            .collect();
        metrics.push(gauge("sluice_flows", "Flows that are loaded.", float(snapshot.flows.len() as u64)));
        let waiting = self.core.ports.store.count_waiting().await?;
        metrics.push(gauge(
            "sluice_dead_letters_waiting",
            "Dead letters that wait for a decision.",
            float(waiting),
        ));
        let up = self.core.ports.broker.health() == Health::Up;
        metrics.push(gauge("sluice_broker_up", "1 when the broker can be used.", float(u64::from(up))));
        let dropped = float(self.core.recorder.dropped());
        let help = "Step runs that history dropped because the store could not keep up.";
        let samples = vec![(Vec::new(), dropped)];
        metrics.push(Metric {
            name: "sluice_history_dropped_total",
            help,
            kind: MetricKind::Counter,
            samples,
        });
        metrics.push(self.deployment_metric());
        metrics.push(self.instance_metric().await?);
        Ok(metrics)
    }

    async fn instance_metric(&self) -> Result<Metric, CommandError> {
        let (store, now) = (&self.core.ports.store, self.core.ports.clock.now());
        let known = store.authorizations().await?;
        let known: BTreeMap<_, _> = known.iter().map(|known| (&known.instance, known)).collect();
        let catalogue = self.core.catalogue().await?;
        let mut states = Vec::new();
        for instance in store.instances().await? {
            let connector = catalogue.choose(instance.connector.as_str(), None);
            let Some(declared) = connector.and_then(declared) else { continue };
            let known = known.get(&instance.name);
            states.push(
                known.map_or(AuthorizationState::NeedsAuthorization, |known| state_of(declared, known, now)),
            );
        }
        let samples = AuthorizationState::ALL.map(|state| {
            let count = states.iter().filter(|known| **known == state).count();
            (vec![("state", state.to_string())], float(count as u64))
        });
        let samples = samples.into();
        let help = "Instances with OAuth 2.0 by the state of their authorisation.";
        Ok(Metric { name: "sluice_instances", help, kind: MetricKind::Gauge, samples })
    }

    fn deployment_metric(&self) -> Metric {
        let states = self.core.deployments();
        let samples = states
            .values()
            .map(|state| {
                let labels = vec![
                    ("component", state.spec.component.to_string()),
                    ("deployment", state.spec.id.to_string()),
                ];
                let up = matches!(state.status, DeploymentStatus::Running | DeploymentStatus::Attached);
                (labels, float(u64::from(up)))
            })
            .collect();
        let help =
            "1 when the deployment's container, or a process in its place, runs and has asked for work.";
        Metric { name: "sluice_deployment_up", help, kind: MetricKind::Gauge, samples }
    }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric { name, help, kind: MetricKind::Gauge, samples: vec![(Vec::new(), value)] }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 are shown rounded")]
fn float(count: u64) -> f64 {
    count as f64
}
