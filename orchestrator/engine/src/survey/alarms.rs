//! Alarms: steps that are stuck, and messages that the broker could not deliver. Each is a log line and an event when it
//! begins and when it ends, and a metric meanwhile. None of them makes the process unready.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_domain::compiled::CompiledStep;
use sluice_domain::topology::LaneName;
use sluice_domain::{FlowId, FlowName, Happened, StepId};
use sluice_ports::broker::QueueState;
use tracing::{info, warn};

use super::Seen;
use crate::core::Core;
use crate::placements::Placements;
use crate::table::Snapshot;

/// A step is stuck when nothing came of what was delivered to it for so many times its timeout, ...
const TIMEOUTS: u32 = 3;
/// ... and for this much longer: components have their own ends for runs that take too long.
const SLACK: Duration = Duration::from_secs(60);
/// Messages that could not be delivered are told of at most this often.
const QUIET: Duration = Duration::from_secs(60);

/// A step that is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) flow: FlowName,
    pub(crate) step: StepId,
    /// Since when nothing came of what it was given.
    pub(crate) since: DateTime<Utc>,
    /// Batches that its container holds.
    pub(crate) unacknowledged: u64,
}

type Place = (FlowId, StepId);

/// What alarms remember from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// The steps to which something was delivered each time since.
    held: BTreeMap<Place, DateTime<Utc>>,
    stuck: BTreeMap<Place, Stuck>,
    /// Messages that could not be delivered and were told of: dead, restored.
    told: (u64, u64),
    told_at: Option<DateTime<Utc>>,
}

impl Alarms {
    /// Completes what was seen by what is wrong, and tells of what is new.
    pub(super) async fn sound(&mut self, core: &Core, mut seen: Seen) -> Seen {
        let now = core.ports.clock.now();
        let mut happened = Vec::new();
        if let Some(lanes) = &seen.lanes {
            let stuck = self.find_stuck(core, lanes, now);
            happened.extend(news(&self.stuck, &stuck));
            seen.stuck = stuck.values().cloned().collect();
            self.stuck = stuck;
        }
        let meters = core.recorder.meters();
        let counts = (meters.undelivered_dead.get(), meters.undelivered_restored.get());
        happened.extend(self.undelivered(counts, now));
        for what in happened {
            match core.ports.store.put_event(now, &what).await {
                Ok(()) => core.news.spread(),
                Err(error) => warn!(error = crate::chain(&error), "cannot note an alarm as an event"),
            }
        }
        seen
    }

    fn find_stuck(
        &mut self,
        core: &Core,
        lanes: &BTreeMap<String, QueueState>,
        now: DateTime<Utc>,
    ) -> BTreeMap<Place, Stuck> {
        let snapshot = core.snapshot();
        let holding = holding(&snapshot, core.table.placements(), lanes);
        self.held.retain(|place, _| holding.contains_key(place));
        for place in holding.keys() {
            self.held.entry(place.clone()).or_insert(now);
        }
        let finished = core.recorder.finished();
        let stuck = self.held.iter().filter_map(|(place, since)| {
            let (flow, step, held) = holding.get(place)?;
            let since = finished.get(place).copied().into_iter().chain([*since]).max()?;
            let idle = (now - since).to_std().unwrap_or_default();
            (idle > step.timeout.get().saturating_mul(TIMEOUTS).saturating_add(SLACK)).then(|| {
                let (flow, step_id) = ((*flow).clone(), place.1.clone());
                (place.clone(), Stuck { flow, step: step_id, since, unacknowledged: *held })
            })
        });
        stuck.collect()
    }

    /// What to tell of messages that could not be delivered: all that came since the last time.
    fn undelivered(&mut self, counts: (u64, u64), now: DateTime<Utc>) -> Option<Happened> {
        let quiet = self.told_at.is_some_and(|at| (now - at).to_std().unwrap_or_default() < QUIET);
        // A lane that was missing and is there again is no alarm: the first tick may be faster than its lane.
        if counts.0 == self.told.0 || quiet {
            return None;
        }
        let (dead, restored) = (counts.0 - self.told.0, counts.1 - self.told.1);
        (self.told, self.told_at) = (counts, Some(now));
        warn!(dead, restored, "the broker could not deliver messages to their steps");
        Some(Happened::Undelivered { dead, restored })
    }
}

/// The steps to which something is delivered that they have not acknowledged: the flow, the step, how many batches.
fn holding<'s>(
    snapshot: &'s Snapshot,
    placements: &Placements,
    lanes: &BTreeMap<String, QueueState>,
) -> BTreeMap<Place, (&'s FlowName, &'s CompiledStep, u64)> {
    let busy = lanes.values().filter(|lane| lane.unacknowledged > 0);
    let busy: HashMap<&str, u64> = busy.map(|lane| (lane.name.as_str(), lane.unacknowledged)).collect();
    let mut holding = BTreeMap::new();
    // Most of the time nothing is held at all, however many steps there are.
    if busy.is_empty() {
        return holding;
    }
    let unfinished = placements.unfinished();
    for ((flow, _), live) in &snapshot.versions {
        for (id, step) in live.compiled.steps.iter().filter(|(_, step)| step.is_served()) {
            let own = busy.get(step.lane.as_str()).copied().unwrap_or_default();
            // Of the common lane nobody knows whose inputs are held.
            let held = match unfinished.get(&step.lane) {
                Some(count) => {
                    let common = LaneName::common(step.deployment.id);
                    busy.get(common.as_str()).copied().unwrap_or_default().min(*count)
                }
                None => own,
            };
            if held > 0 {
                holding.insert((*flow, id.clone()), (&live.compiled.name, &**step, held));
            }
        }
    }
    holding
}

/// What changed, told to the log too.
fn news(before: &BTreeMap<Place, Stuck>, now: &BTreeMap<Place, Stuck>) -> Vec<Happened> {
    let mut news = Vec::new();
    for ((flow_id, _), stuck) in now.iter().filter(|(place, _)| !before.contains_key(place)) {
        let Stuck { flow, step, since, unacknowledged } = stuck.clone();
        warn!(flow.id = %flow_id, flow.name = %flow, step.id = %step, %since, unacknowledged,
            "a step is stuck: nothing comes of what was delivered to it");
        news.push(Happened::StepStuck { flow, step, since, unacknowledged });
    }
    for ((flow_id, _), stuck) in before.iter().filter(|(place, _)| !now.contains_key(place)) {
        let Stuck { flow, step, .. } = stuck.clone();
        info!(flow.id = %flow_id, flow.name = %flow, step.id = %step, "a step is stuck no more");
        news.push(Happened::StepUnstuck { flow, step });
    }
    news
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn messages_that_could_not_be_delivered_are_told_of_once_a_minute() {
        let mut alarms = Alarms::default();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(alarms.undelivered((0, 0), at(0)), None);
        let first = Happened::Undelivered { dead: 2, restored: 0 };
        assert_eq!(alarms.undelivered((2, 0), at(1)), Some(first));
        assert_eq!(alarms.undelivered((5, 1), at(2)), None, "it is told of already that something is wrong");
        let rest = Happened::Undelivered { dead: 3, restored: 1 };
        assert_eq!(alarms.undelivered((5, 1), at(62)), Some(rest));
        assert_eq!(alarms.undelivered((5, 1), at(200)), None);
        assert_eq!(alarms.undelivered((5, 9), at(300)), None, "what was sent again is no alarm");
    }

    #[test]
    fn a_step_is_told_of_when_it_gets_stuck_and_when_it_goes_on() {
        let place = (FlowId::from_bits(1), "act".parse().unwrap());
        let stuck = Stuck {
            flow: "demo".parse().unwrap(),
            step: "act".parse().unwrap(),
            since: DateTime::UNIX_EPOCH,
            unacknowledged: 3,
        };
        let (none, one) = (BTreeMap::new(), BTreeMap::from([(place, stuck)]));
        assert!(matches!(news(&none, &one)[..], [Happened::StepStuck { unacknowledged: 3, .. }]));
        assert!(news(&one, &one).is_empty());
        assert!(matches!(news(&one, &none)[..], [Happened::StepUnstuck { .. }]));
    }
}
