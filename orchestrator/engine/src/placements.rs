//! Which lane carries the inputs of a step: the one that the quiet steps of its deployment share, or one of its own.
//!
//! A quiet step costs no queue: its inputs go through the common lane, batched with those of others. A step with
//! [`busy`](crate::Settings::busy) inputs unfinished, or one whose runs take long, gets a lane of its own, so that it does
//! not stand in the way of the others. What goes to the new lane waits there until everything that the step has in the
//! common lane came to its end: so its inputs stay in order. A step that was quiet for [`quiet`](crate::Settings::quiet)
//! goes back to the common lane.
//!
//! The counts are of this process only. After a restart they begin at nothing; then a step may change its lane while
//! inputs from before are still in the other one, which costs order across the restart and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_domain::DeploymentId;
use sluice_domain::topology::LaneName;
use tokio::sync::Notify;

/// A run that took this long makes its step busy as soon as a second input waits, in microseconds.
const SLOW: u64 = 1_000_000;

/// Where the inputs of a step go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Through the common lane.
    Common,
    /// Still through the common lane, until one of its own is declared.
    Asked,
    /// To its own lane, which nobody reads before so many more inputs came to their end.
    Draining(u64),
    /// To its own lane.
    Own,
}

#[derive(Debug)]
struct Place {
    state: State,
    common: LaneName,
    deployment: DeploymentId,
    /// Inputs that were sent and did not come to an end.
    unfinished: u64,
    /// When an input was sent or came to an end last, in unix milliseconds.
    seen: i64,
}

/// The placement of every step that had an input lately, by the lane that is its own.
#[derive(Debug)]
pub(crate) struct Placements {
    places: Mutex<Places>,
    asked: Notify,
    busy: u64,
    quiet: Duration,
}

impl Default for Placements {
    fn default() -> Self {
        Self::new(&crate::Settings::default())
    }
}

#[derive(Debug, Default)]
struct Places {
    by_lane: HashMap<LaneName, Place>,
    /// Deployments without a container because nothing was to be done.
    asleep: BTreeSet<DeploymentId>,
    /// Lanes that their steps gave up and that are still to be deleted.
    left: BTreeSet<LaneName>,
}

impl Places {
    fn of(&mut self, own: &LaneName, now: i64) -> &mut Place {
        self.by_lane.entry(own.clone()).or_insert_with(|| {
            let deployment = own.deployment();
            let common = LaneName::common(deployment);
            Place { state: State::Common, common, deployment, unfinished: 0, seen: now }
        })
    }
}

impl Placements {
    pub(crate) fn new(settings: &crate::Settings) -> Self {
        let (busy, quiet) = (u64::from(settings.busy), settings.quiet);
        Self { places: Mutex::default(), asked: Notify::new(), busy, quiet }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the lanes that steps had of their own when the process before this one ended.
    pub(crate) fn restore(&self, lanes: Vec<LaneName>, now: i64) {
        let mut places = self.places();
        for lane in lanes {
            places.of(&lane, now).state = State::Own;
        }
    }

    /// The lane for one more input of the step whose own lane this is. A common lane stays what it is.
    pub(crate) fn send(&self, own: &LaneName, now: i64) -> LaneName {
        if own.is_common() {
            return own.clone();
        }
        let mut places = self.places();
        let place = places.of(own, now);
        place.unfinished += 1;
        place.seen = now;
        let mut wake = false;
        if place.state == State::Common && place.unfinished >= self.busy {
            place.state = State::Asked;
            wake = true;
        }
        let lane = match place.state {
            State::Common | State::Asked => place.common.clone(),
            State::Draining(_) | State::Own => own.clone(),
        };
        let deployment = place.deployment;
        wake |= !places.asleep.is_empty() && places.asleep.remove(&deployment);
        drop(places);
        if wake {
            self.asked.notify_one();
        }
        lane
    }

    /// The lane that the next input of the step would go to.
    pub(crate) fn lane(&self, own: &LaneName) -> LaneName {
        if own.is_common() || self.is_own(own) { own.clone() } else { LaneName::common(own.deployment()) }
    }

    /// Takes back one input that was to be sent and was not.
    pub(crate) fn unsend(&self, own: &LaneName) {
        if let Some(place) = self.places().by_lane.get_mut(own) {
            place.unfinished = place.unfinished.saturating_sub(1);
        }
    }

    /// Notes that a run of an input came to its end after so many microseconds. True when what containers are to serve is
    /// something else now.
    pub(crate) fn ended(&self, own: &LaneName, micros: u64, now: i64) -> bool {
        let mut places = self.places();
        let place = places.of(own, now);
        place.unfinished = place.unfinished.saturating_sub(1);
        place.seen = now;
        match place.state {
            State::Common if micros > SLOW && place.unfinished > 0 => {
                place.state = State::Asked;
                drop(places);
                self.asked.notify_one();
                false
            }
            State::Draining(left) => {
                place.state = if left > 1 { State::Draining(left - 1) } else { State::Own };
                place.state == State::Own
            }
            State::Common | State::Asked | State::Own => false,
        }
    }

    /// The queue that containers read for a step.
    pub(crate) fn read(&self, own: &LaneName) -> LaneName {
        let places = self.places();
        match places.by_lane.get(own).map(|place| place.state) {
            Some(State::Own) => own.clone(),
            _ => LaneName::common(own.deployment()),
        }
    }

    /// Whether a step has a queue of its own.
    pub(crate) fn is_own(&self, own: &LaneName) -> bool {
        let places = self.places();
        let state = places.by_lane.get(own).map(|place| place.state);
        matches!(state, Some(State::Draining(_) | State::Own))
    }

    /// The lanes of all steps that have a queue of their own.
    pub(crate) fn own(&self) -> HashSet<LaneName> {
        let places = self.places();
        let own =
            places.by_lane.iter().filter(|(_, place)| matches!(place.state, State::Draining(_) | State::Own));
        own.map(|(lane, _)| lane.clone()).collect()
    }

    /// The steps without a queue of their own of which inputs that this process sent did not come to an end, and how many.
    pub(crate) fn unfinished(&self) -> HashMap<LaneName, u64> {
        let places = self.places();
        let common =
            places.by_lane.iter().filter(|(_, place)| matches!(place.state, State::Common | State::Asked));
        let unfinished = common.filter(|(_, place)| place.unfinished > 0);
        unfinished.map(|(lane, place)| (lane.clone(), place.unfinished)).collect()
    }

    /// Resolves when something is to be done for a step that became busy, or for a deployment that slept.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Asks for a lane of its own for a step, if it has none.
    pub(crate) fn ask(&self, own: &LaneName, now: i64) {
        let mut places = self.places();
        let place = places.of(own, now);
        if place.state == State::Common {
            place.state = State::Asked;
        }
    }

    /// The steps that wait for a lane of their own, in a stable order.
    pub(crate) fn asking(&self) -> BTreeSet<LaneName> {
        let places = self.places();
        let asking = places.by_lane.iter().filter(|(_, place)| place.state == State::Asked);
        asking.map(|(lane, _)| lane.clone()).collect()
    }

    /// Gives a step its own lane, which has been declared. True when what containers are to serve is something else now.
    pub(crate) fn promote(&self, own: &LaneName, now: i64) -> bool {
        let mut places = self.places();
        places.left.remove(own);
        let place = places.of(own, now);
        if place.state != State::Asked {
            return false;
        }
        place.state = if place.unfinished > 0 { State::Draining(place.unfinished) } else { State::Own };
        place.seen = now;
        place.state == State::Own
    }

    /// The steps whose own lane nobody reads yet, in a stable order.
    pub(crate) fn draining(&self) -> BTreeSet<LaneName> {
        let places = self.places();
        let draining = places.by_lane.iter().filter(|(_, place)| matches!(place.state, State::Draining(_)));
        draining.map(|(lane, _)| lane.clone()).collect()
    }

    /// Lets a step's own lane be read although something of it may still be in the common lane, if nothing of it was seen
    /// for longer than `patience`. True when it is so now.
    pub(crate) fn give_up_draining(&self, own: &LaneName, patience: Duration, now: i64) -> bool {
        let mut places = self.places();
        let Some(place) = places.by_lane.get_mut(own) else { return false };
        if !matches!(place.state, State::Draining(_)) || age(place.seen, now) <= patience {
            return false;
        }
        place.state = State::Own;
        true
    }

    /// The steps that have a lane of their own and that nothing was seen of for a while, in a stable order.
    pub(crate) fn quiet(&self, now: i64) -> BTreeSet<LaneName> {
        let places = self.places();
        let quiet = places.by_lane.iter().filter(|(_, place)| self.is_quiet(place, now));
        quiet.map(|(lane, _)| lane.clone()).collect()
    }

    /// Sends a step back to the common lane, if it is still quiet. Its own lane is to be deleted then.
    pub(crate) fn demote(&self, own: &LaneName, now: i64) -> bool {
        let mut places = self.places();
        let fits = places.by_lane.get(own).is_some_and(|place| self.is_quiet(place, now));
        if fits {
            places.by_lane.remove(own);
            places.left.insert(own.clone());
        }
        fits
    }

    fn is_quiet(&self, place: &Place, now: i64) -> bool {
        place.state == State::Own && place.unfinished == 0 && age(place.seen, now) > self.quiet
    }

    /// The lanes that are to be deleted.
    pub(crate) fn left(&self) -> BTreeSet<LaneName> {
        self.places().left.clone()
    }

    /// Notes that a lane is gone.
    pub(crate) fn deleted(&self, own: &LaneName) {
        self.places().left.remove(own);
    }

    /// Forgets what is known of a step that is no more.
    pub(crate) fn forget(&self, own: &LaneName) {
        let mut places = self.places();
        places.by_lane.remove(own);
        places.left.remove(own);
    }

    /// How each deployment stands: unfinished inputs, and when something of it was seen last.
    pub(crate) fn deployments(&self) -> BTreeMap<DeploymentId, (u64, i64)> {
        let mut all: BTreeMap<DeploymentId, (u64, i64)> = BTreeMap::new();
        for place in self.places().by_lane.values() {
            let (unfinished, seen) = all.entry(place.deployment).or_default();
            *unfinished += place.unfinished;
            *seen = place.seen.max(*seen);
        }
        all
    }

    /// The deployments that sleep.
    pub(crate) fn asleep(&self) -> BTreeSet<DeploymentId> {
        self.places().asleep.clone()
    }

    /// Lets a deployment sleep, unless something was sent to it after `seen`.
    pub(crate) fn sleep(&self, deployment: DeploymentId, seen: i64) {
        let mut places = self.places();
        let of_it = places.by_lane.values().filter(|place| place.deployment == deployment);
        let idle = of_it.into_iter().all(|place| place.unfinished == 0 && place.seen <= seen);
        if idle {
            places.asleep.insert(deployment);
        }
    }

    /// Ends the sleep of a deployment.
    pub(crate) fn wake(&self, deployment: DeploymentId) {
        self.places().asleep.remove(&deployment);
    }
}

fn age(then: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use sluice_domain::{FlowId, StepId};

    use super::*;

    const BUSY: u64 = 16;
    const QUIET: i64 = 60_000;

    fn lane(step: &str) -> LaneName {
        let step: StepId = step.parse().unwrap();
        LaneName::of_step(DeploymentId::from_bits(7), FlowId::from_bits(1), &step)
    }

    fn common() -> LaneName {
        LaneName::common(DeploymentId::from_bits(7))
    }

    #[test]
    fn quiet_steps_share_a_lane() {
        let places = Placements::default();
        for _ in 0..100 {
            assert_eq!(places.send(&lane("a"), 0), common());
            assert_eq!(places.send(&lane("b"), 0), common());
            assert!(!places.ended(&lane("a"), 10, 0) && !places.ended(&lane("b"), 10, 0));
        }
        assert!(places.asking().is_empty());
    }

    #[test]
    fn a_busy_step_gets_a_lane_that_is_read_once_the_common_one_holds_nothing_of_it() {
        let (places, step) = (Placements::default(), lane("a"));
        for _ in 0..BUSY {
            assert_eq!(places.send(&step, 0), common());
        }
        assert_eq!(places.asking(), BTreeSet::from([step.clone()]));
        assert_eq!(places.send(&step, 0), common(), "the lane is not declared yet");
        assert!(!places.promote(&step, 0));
        assert_eq!(places.send(&step, 0), step);
        for left in (0..=BUSY).rev() {
            assert_eq!(places.read(&step), common(), "{left} are left");
            assert_eq!(places.ended(&step, 10, 0), left == 0);
        }
        assert_eq!(places.places().by_lane[&step].unfinished, 1);
        assert_eq!(places.read(&step), step);
    }

    #[test]
    fn a_slow_step_gets_a_lane_as_soon_as_something_waits() {
        let (places, step) = (Placements::default(), lane("a"));
        places.send(&step, 0);
        places.ended(&step, SLOW + 1, 0);
        assert!(places.asking().is_empty(), "nothing waits");
        places.send(&step, 0);
        places.send(&step, 0);
        places.ended(&step, SLOW + 1, 0);
        assert_eq!(places.asking(), BTreeSet::from([step]));
    }

    #[test]
    fn a_step_that_became_quiet_gives_its_lane_up() {
        let (places, step) = (Placements::default(), lane("a"));
        places.restore(vec![step.clone()], 0);
        let later = QUIET + 1;
        assert!(places.quiet(later - 1).is_empty());
        assert_eq!(places.quiet(later), BTreeSet::from([step.clone()]));
        places.send(&step, later);
        assert!(!places.demote(&step, later), "something was sent meanwhile");
        places.ended(&step, 10, later);
        assert!(places.demote(&step, 3 * later));
        assert_eq!((places.send(&step, 3 * later), places.left()), (common(), BTreeSet::from([step])));
    }

    #[test]
    fn what_never_ends_keeps_a_lane_closed_for_a_while_only() {
        let (places, step) = (Placements::default(), lane("a"));
        places.send(&step, 0);
        places.ask(&step, 0);
        assert!(!places.promote(&step, 0));
        assert_eq!(places.draining(), BTreeSet::from([step.clone()]));
        let patience = Duration::from_secs(30);
        assert!(!places.give_up_draining(&step, patience, 30_000));
        assert!(places.give_up_draining(&step, patience, 30_001));
        assert_eq!(places.read(&step), step);
    }

    #[test]
    fn a_message_wakes_the_deployment_that_it_is_for() {
        let (places, step) = (Placements::default(), lane("a"));
        let id = DeploymentId::from_bits(7);
        places.send(&step, 5);
        places.sleep(id, 5);
        assert!(places.asleep().is_empty(), "something is under way");
        places.ended(&step, 10, 6);
        places.sleep(id, 5);
        assert!(places.asleep().is_empty(), "something was seen since");
        places.sleep(id, 6);
        assert_eq!(places.asleep(), BTreeSet::from([id]));
        places.send(&step, 7);
        assert!(places.asleep().is_empty());
    }
}
