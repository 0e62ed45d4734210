//! What is shown: what the server said last, and how fast it grew since the time before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sluice_http::dto::{AlarmAtAGlance, BrokerAtAGlance, DeploymentAtAGlance, FlowAtAGlance, Overview};

use super::Sort;

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Board {
    /// When the server said it.
    pub(super) at: DateTime<Utc>,
    /// The server's version.
    pub(super) version: String,
    /// The time that rates are about; 0 at the first look, when there are none yet.
    pub(super) seconds: f64,
    /// All flows together.
    pub(super) total: Rates,
    /// Records that the router takes in a second.
    pub(super) records_per_second: f64,
    /// Dead letters that wait for a decision.
    pub(super) dead_letters: u64,
    /// The flows.
    pub(super) flows: Vec<FlowLine>,
    /// The deployments.
    pub(super) deployments: Vec<DeploymentAtAGlance>,
    /// The broker.
    pub(super) broker: BrokerAtAGlance,
    /// What is wrong.
    pub(super) alarms: Vec<AlarmAtAGlance>,
}

/// How fast flows go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    /// Messages that triggers emit in a second.
    pub(super) taken_per_second: f64,
    /// Runs of actions that end well in a second.
    pub(super) done_per_second: f64,
    /// Attempts that fail in a second.
    pub(super) failed_per_second: f64,
}

/// A flow and how fast it goes.
#[derive(Debug, Serialize)]
pub(super) struct FlowLine {
    #[serde(flatten)]
    pub(super) flow: FlowAtAGlance,
    #[serde(flatten)]
    pub(super) rates: Rates,
}

impl Board {
    pub(super) fn new(before: Option<&Overview>, now: Overview, sort: Sort) -> Self {
        let took = before.map_or(0, |before| (now.at - before.at).num_milliseconds().max(0));
        let seconds = f64::from(u32::try_from(took).unwrap_or(u32::MAX)) / 1000.0;
        let known: BTreeMap<&str, &FlowAtAGlance> =
            before.iter().flat_map(|before| &before.flows).map(|flow| (flow.id.as_str(), flow)).collect();
        let mut flows = Vec::with_capacity(now.flows.len());
        let mut total = Rates::default();
        for flow in now.flows {
            let rates = known.get(flow.id.as_str()).map_or_else(Rates::default, |old| Rates {
                taken_per_second: rate(old.taken, flow.taken, seconds),
                done_per_second: rate(old.done, flow.done, seconds),
                failed_per_second: rate(old.failed, flow.failed, seconds),
            });
            total.taken_per_second += rates.taken_per_second;
            total.done_per_second += rates.done_per_second;
            total.failed_per_second += rates.failed_per_second;
            flows.push(FlowLine { flow, rates });
        }
        order(&mut flows, sort);
        Self {
            at: now.at,
            version: now.version,
            seconds,
            total,
            records_per_second: before.map_or(0.0, |old| rate(old.records, now.records, seconds)),
            dead_letters: now.dead_letters,
            flows,
            deployments: now.deployments,
            broker: now.broker,
            alarms: now.alarms,
        }
    }
}

/// A counter that became smaller is another one: the server was started anew.
fn rate(before: u64, now: u64, seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate, for showing")]
    let grown = now.saturating_sub(before) as f64;
    grown / seconds
}

fn order(flows: &mut [FlowLine], sort: Sort) {
    // They come by name, and a stable order keeps that among equals.
    match sort {
        Sort::Name => {}
        Sort::Rate => {
            let rate = |line: &FlowLine| line.rates.taken_per_second + line.rates.done_per_second;
            flows.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        }
        Sort::Backlog => {
            flows.sort_by_key(|line| std::cmp::Reverse(line.flow.waiting.unwrap_or(line.flow.under_way)));
        }
        Sort::Failures => {
            flows.sort_by(|a, b| {
                let key = |line: &FlowLine| (line.rates.failed_per_second, line.flow.dead);
                let ((rate_a, dead_a), (rate_b, dead_b)) = (key(a), key(b));
                rate_b.total_cmp(&rate_a).then(dead_b.cmp(&dead_a))
            });
        }
    }
}
