//! Everything that there is to measure. `docs/operating.md` lists the same metrics; a test compares the two.

mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_domain::oauth::AuthorizationState;
use sluice_domain::{Flow, StepCounters};
use sluice_ports::broker::Health;

pub use model::{Metric, MetricKind, Sample};

use crate::authorizations::{declared, state_of};
use crate::survey::{self, Backlog};
use crate::views::DeploymentStatus;
use crate::{CommandError, Engine};
use model::{Labels, float, labelled, plain};

type Pick = fn(&StepCounters) -> f64;

const COUNTERS: [(&str, &str, Pick); 10] = [
    ("sluice_step_received_total", "Messages sent to the step.", |c| float(c.received)),
    ("sluice_step_succeeded_total", "Step runs that ended well.", |c| float(c.succeeded)),
    ("sluice_step_emitted_total", "Messages that the step emitted.", |c| float(c.emitted)),
    ("sluice_step_failed_total", "Attempts that failed.", |c| float(c.failed)),
    ("sluice_step_retried_total", "Attempts that were put off for a retry.", |c| float(c.retried)),
    ("sluice_step_dead_total", "Dead letters.", |c| float(c.dead)),
    ("sluice_step_filtered_total", "Messages that the step's condition dropped.", |c| float(c.filtered)),
    ("sluice_step_duplicates_total", "Outcomes that were known already.", |c| float(c.duplicates)),
    ("sluice_step_skipped_total", "Ticks that were skipped.", |c| float(c.skipped)),
    ("sluice_step_run_seconds_total", "Seconds that the step's functions ran.", |c| float(c.micros) / 1e6),
];

/// A request that a listener answered.
#[derive(Debug, Clone, Copy)]
pub struct RequestNote<'a> {
    /// The listener: `api` or `gateway`.
    pub listener: &'static str,
    /// The method.
    pub method: &'a str,
    /// The template of the route, never the path: paths have no end.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took until the answer began.
    pub took: Duration,
}

impl Engine {
    /// Counts a request.
    pub fn note_request(&self, note: &RequestNote<'_>) {
        let meters = self.core.recorder.meters();
        let class = match note.status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        meters.requests.add([note.listener, note.method, note.route, class]);
        if note.listener == "api" {
            meters.answering.observe(note.took);
        }
    }

    /// Everything that there is to measure. Of a metric with more than [`Metric::MOST`] samples the rest is left out,
    /// and counted in one that says so.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn metrics(&self) -> Result<Vec<Metric>, CommandError> {
        let mut metrics = self.step_metrics().await?;
        metrics.extend(self.flow_metrics());
        metrics.extend(self.router_metrics());
        metrics.extend(self.broker_metrics());
        metrics.extend(self.request_metrics());
        metrics.extend(self.container_metrics());
        metrics.extend(self.store_metrics().await?);
        metrics.push(self.instance_metric().await?);
        let left_out: usize = metrics.iter_mut().map(Metric::cut).sum();
        metrics.push(plain(
            "sluice_metric_samples_left_out",
            "Samples that are left out of this answer because their metric has too many.",
            MetricKind::Gauge,
            float(left_out as u64),
        ));
        Ok(metrics)
    }

    async fn step_metrics(&self) -> Result<Vec<Metric>, CommandError> {
        let snapshot = self.core.snapshot();
        let mut steps: Vec<(Labels, StepCounters)> = Vec::new();
        let mut counters = self.core.ports.store.all_counters().await?;
        for flow in snapshot.flows.values() {
            for (step, counts) in counters.remove(&flow.id).unwrap_or_default().steps {
                steps.push((vec![("flow", flow.name.to_string()), ("step", step.to_string())], counts));
            }
        }
        let metrics = COUNTERS.iter().map(|(name, help, pick)| {
            let samples = steps.iter().map(|(labels, counts)| (labels.clone(), pick(counts)));
            labelled(name, help, MetricKind::Counter, samples)
        });
        Ok(metrics.collect())
    }

    fn flow_metrics(&self) -> Vec<Metric> {
        let (snapshot, seen, now) =
            (self.core.snapshot(), self.core.survey.seen(), self.core.ports.clock.now());
        let backlogs = survey::backlogs(&self.core, &seen);
        let labels = |flow: &Flow| vec![("flow", flow.name.to_string())];
        let gauge = |name, help, value: &dyn Fn(&Flow) -> Option<f64>| {
            let samples = snapshot.flows.values().filter_map(|flow| Some((labels(flow), value(flow)?)));
            labelled(name, help, MetricKind::Gauge, samples)
        };
        let backlog = |flow: &Flow| backlogs.get(&flow.id).copied().unwrap_or_default();
        let under_way = |flow: &Flow| {
            let mine = snapshot.versions_of(flow.id);
            let sum: i64 = mine.map(|(_, live)| live.under_way()).sum();
            Some(float(u64::try_from(sum).unwrap_or(0)))
        };
        let age = |backlog: Backlog| Some(seconds((now - backlog.oldest?).to_std().unwrap_or_default()));
        let stuck = seen
            .stuck
            .iter()
            .map(|stuck| (vec![("flow", stuck.flow.to_string()), ("step", stuck.step.to_string())], 1.0));
        vec![
            plain(
                "sluice_flows",
                "Flows that are loaded.",
                MetricKind::Gauge,
                float(snapshot.flows.len() as u64),
            ),
            gauge("sluice_flow_under_way", "Messages under way, as far as this process knows.", &under_way),
            gauge("sluice_flow_waiting_batches", "Batches that wait in the flow's lanes.", &|flow| {
                backlog(flow).waiting.map(float)
            }),
            gauge(
                "sluice_flow_unacknowledged_batches",
                "Batches that containers were given and have not acknowledged.",
                &|flow| backlog(flow).unacknowledged.map(float),
            ),
            gauge(
                "sluice_flow_oldest_seconds",
                "How long the oldest batch waits, where the broker says.",
                &|flow| age(backlog(flow)),
            ),
            labelled("sluice_step_stuck", "1 for a step that is stuck.", MetricKind::Gauge, stuck),
        ]
    }

    fn router_metrics(&self) -> Vec<Metric> {
        let (meters, seen) = (self.core.recorder.meters(), self.core.survey.seen());
        let counter = |name, help, value| plain(name, help, MetricKind::Counter, float(value));
        let gauge = |name, help, value| plain(name, help, MetricKind::Gauge, float(value));
        let looked = seen.at.map_or(0, |at| u64::try_from(at.timestamp()).unwrap_or(0));
        vec![
            counter("sluice_router_deliveries_total", "Deliveries taken.", meters.deliveries.get()),
            counter(
                "sluice_router_redeliveries_total",
                "Deliveries that a consumer had before.",
                meters.redeliveries.get(),
            ),
            counter("sluice_router_records_total", "Records in the deliveries.", meters.records.get()),
            model::histogram(
                "sluice_router_seconds",
                "From a delivery to what follows from it: the wait for a worker, unpacking, evaluating.",
                &meters.routing,
            ),
            counter(
                "sluice_router_suspects_total",
                "Inputs that were sent again because their consumer died.",
                meters.suspects.get(),
            ),
            gauge(
                "sluice_router_waiting_batches",
                "Batches of outcomes that the router holds or that wait for it.",
                seen.router,
            ),
            gauge("sluice_retries_waiting", "Messages that wait for their next attempt.", seen.retries),
            gauge(
                "sluice_undelivered_waiting_batches",
                "Batches that the broker could not deliver and that the router has not looked at yet.",
                seen.undelivered,
            ),
            labelled(
                "sluice_undelivered_total",
                "What the broker could not deliver: messages that became dead letters, batches that were sent again.",
                MetricKind::Counter,
                [("dead", &meters.undelivered_dead), ("restored", &meters.undelivered_restored)]
                    .map(|(fate, count)| (vec![("fate", fate.to_owned())], float(count.get()))),
            ),
            gauge(
                "sluice_survey_timestamp_seconds",
                "When the queues were last looked at, in Unix time.",
                looked,
            ),
        ]
    }

    fn broker_metrics(&self) -> Vec<Metric> {
        let (meters, seen) = (self.core.recorder.meters(), self.core.survey.seen());
        let up = self.core.ports.broker.health() == Health::Up;
        let state = seen.broker.iter();
        let told = |name, help, value: fn(&sluice_ports::broker::BrokerState) -> u64| {
            let samples = state.clone().map(|state| (Vec::new(), float(value(state))));
            labelled(name, help, MetricKind::Gauge, samples)
        };
        let errors = [("refused", &meters.refused), ("unknown", &meters.unknown)];
        vec![
            plain(
                "sluice_broker_up",
                "1 when the broker can be used.",
                MetricKind::Gauge,
                float(u64::from(up)),
            ),
            model::histogram(
                "sluice_broker_confirm_seconds",
                "From a publish to the broker's confirm.",
                &meters.confirming,
            ),
            plain(
                "sluice_broker_unconfirmed",
                "Publishes that are not confirmed yet.",
                MetricKind::Gauge,
                float(meters.unconfirmed.get()),
            ),
            labelled(
                "sluice_broker_publish_errors_total",
                "Publishes that were refused by a full queue, or of which nobody knows whether they were stored.",
                MetricKind::Counter,
                errors.map(|(reason, count)| (vec![("reason", reason.to_owned())], float(count.get()))),
            ),
            told("sluice_broker_connections", "Connections to the broker, also of others.", |state| {
                state.connections
            }),
            told("sluice_broker_alarms", "Nodes and resources that the broker is short of.", |state| {
                state.alarms.len() as u64
            }),
        ]
    }

    fn request_metrics(&self) -> Vec<Metric> {
        let meters = self.core.recorder.meters();
        let by = |name, help, tally, label| model::tally(name, help, tally, [label]);
        vec![
            model::tally(
                "sluice_http_requests_total",
                "Requests, by the template of their route.",
                &meters.requests,
                ["listener", "method", "route", "status"],
            ),
            model::histogram(
                "sluice_http_request_seconds",
                "How long requests to the operator's listener took until their answer began.",
                &meters.answering,
            ),
            by("sluice_webhook_requests_total", "Requests to webhooks.", &meters.webhooks, "result"),
            by("sluice_invocations_total", "Runs outside any flow.", &meters.invocations, "result"),
            model::histogram(
                "sluice_invocation_seconds",
                "How long runs outside any flow took, starting a container included.",
                &meters.invoking,
            ),
            by("sluice_oauth_refreshes_total", "Refreshes of tokens.", &meters.refreshes, "result"),
            by("sluice_egress_requests_total", "Requests of components to go out.", &meters.egress, "result"),
            plain(
                "sluice_egress_tunnels",
                "Tunnels of components that are open.",
                MetricKind::Gauge,
                float(meters.egress_open.get()),
            ),
            plain(
                "sluice_egress_bytes_total",
                "Bytes that went through tunnels and answers that ended.",
                MetricKind::Counter,
                float(meters.egress_bytes.get()),
            ),
        ]
    }

    fn container_metrics(&self) -> Vec<Metric> {
        let used = self.core.survey.uses.known();
        let meters = self.core.recorder.meters();
        let states = self.core.deployments();
        let specs: Vec<_> = states.values().map(|state| (state.spec.clone(), state.status)).collect();
        drop(states);
        let labels = |spec: &sluice_domain::DeploymentSpec| {
            vec![("component", spec.component.to_string()), ("deployment", spec.id.to_string())]
        };
        // One that sleeps because nothing is to be done is neither up nor down.
        let awake = specs.iter().filter(|(_, status)| *status != DeploymentStatus::Idle);
        let up = awake.map(|(spec, status)| {
            let up = matches!(status, DeploymentStatus::Running | DeploymentStatus::Attached);
            (labels(spec), float(u64::from(up)))
        });
        let known = specs.iter().filter_map(|(spec, _)| Some((labels(spec), used.get(&spec.id)?.usage)));
        let starts = |name, help, tally| model::tally(name, help, tally, ["component"]);
        vec![
            labelled(
                "sluice_deployment_up",
                "1 when the deployment's container, or a process in its place, runs and has asked for work. Absent while it is idle.",
                MetricKind::Gauge,
                up,
            ),
            starts("sluice_container_starts_total", "Containers that were started.", &meters.starts),
            starts(
                "sluice_container_restarts_total",
                "Those of them that took the place of one before.",
                &meters.restarts,
            ),
            starts(
                "sluice_container_start_failures_total",
                "Containers that could not be started.",
                &meters.start_failures,
            ),
            model::tally(
                "sluice_container_exits_total",
                "Containers that ended by themselves.",
                &meters.exits,
                ["component", "how"],
            ),
            labelled(
                "sluice_container_memory_bytes",
                "Memory that the container uses, where the engine says.",
                MetricKind::Gauge,
                known.clone().map(|(labels, usage)| (labels, float(usage.memory_bytes))),
            ),
            labelled(
                "sluice_container_cpu_seconds_total",
                "Processor time that the container used since it was started, where the engine says.",
                MetricKind::Counter,
                known.map(|(labels, usage)| (labels, seconds(usage.cpu))),
            ),
        ]
    }

    async fn store_metrics(&self) -> Result<Vec<Metric>, CommandError> {
        let waiting = self.core.ports.store.count_waiting().await?;
        Ok(vec![
            plain(
                "sluice_dead_letters_waiting",
                "Dead letters that wait for a decision.",
                MetricKind::Gauge,
                float(waiting),
            ),
            model::histogram(
                "sluice_store_write_seconds",
                "How long writes of history and counters to the store took.",
                &self.core.recorder.meters().storing,
            ),
            labelled(
                "sluice_spans_total",
                "Spans of traces: those that the collector took, and those that were dropped.",
                MetricKind::Counter,
                [
                    ("sent", &self.core.recorder.meters().spans_sent),
                    ("dropped", &self.core.recorder.meters().spans_dropped),
                ]
                .map(|(fate, count)| (vec![("fate", fate.to_owned())], float(count.get()))),
            ),
            plain(
                "sluice_history_dropped_total",
                "Step runs that history dropped because the store could not keep up.",
                MetricKind::Counter,
                float(self.core.recorder.dropped()),
            ),
        ])
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
        let help = "Instances with OAuth 2.0 by the state of their authorisation.";
        Ok(labelled("sluice_instances", help, MetricKind::Gauge, samples))
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
