//! Which items a trigger has emitted already: the state between polls, and what a poll adds to it.
//!
//! An item is known by a hash of its key and, in an incremental trigger, its value. Of a poll that listed everything the
//! state is small: the largest value, and the hashes of items within the overlap before it (without `incremental`: of all
//! items). A poll that broke off keeps the old cursor and adds what it emitted, so that the next one, which begins at the
//! same place, neither repeats nor skips any.

mod state;

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_declarative::{Incremental, Initial};
use sluice_sdk::Error;

use crate::moment::{Moment, Order};
use crate::pages::End;
use state::Kept;

/// Most items that a complete poll remembers.
pub(crate) const SEEN: usize = 20_000;
/// Most items that a poll that broke off remembers.
const SEEN_HALFWAY: usize = 30_000;
/// How many times values have to rise, and never fall, until they count as sorted. By chance that takes 362,880 lists.
const RISES: u32 = 8;

/// An item, and what it is known by.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) item: Value,
    pub(crate) hash: u64,
    pub(crate) moment: Option<Moment>,
}

/// What is known, during a poll.
pub(crate) struct Tracker {
    incremental: Option<Incremental>,
    /// The first poll of a trigger that begins now: it notes what is there and emits nothing.
    baseline: Option<Moment>,
    /// The largest value until now.
    old: Option<Moment>,
    /// Emitted by earlier polls, with their values where they are known.
    known: HashMap<u64, Option<Order>>,
    /// The largest value of this poll.
    max: Option<Moment>,
    /// Listed by this poll, as far as it is within the overlap.
    window: HashMap<u64, Option<Order>>,
    /// The last items that this poll emitted, and how many there were in all.
    recent: VecDeque<(u64, Option<Order>)>,
    recent_set: HashSet<u64>,
    emitted: u64,
    last: Option<Order>,
    rises: u32,
    falls: bool,
}

impl Tracker {
    /// Goes on from the state of the last poll.
    pub(crate) fn new(incremental: Option<Incremental>, state: Option<Value>, now: DateTime<Utc>) -> Self {
        let first = state.is_none();
        let format = incremental.as_ref().map(|it| it.format);
        let (old, known) = Kept::read(state, format);
        let baseline = incremental
            .as_ref()
            .filter(|it| first && it.initial == Initial::Now)
            .and_then(|it| Moment::of(now, it.format));
        Self {
            incremental,
            baseline,
            old,
            known,
            max: None,
            window: HashMap::new(),
            recent: VecDeque::new(),
            recent_set: HashSet::new(),
            emitted: 0,
            last: None,
            rises: 0,
            falls: false,
        }
    }

    /// What expressions see as `cursor`.
    pub(crate) fn cursor(&self) -> Value {
        match (&self.incremental, self.old.as_ref().or(self.baseline.as_ref())) {
            (Some(it), Some(moment)) => moment.before(it.overlap_seconds, it.format),
            _ => Value::Null,
        }
    }

    /// How many items this poll has emitted.
    pub(crate) fn emitted(&self) -> u64 {
        self.emitted
    }

    /// Whether an item is to be emitted.
    ///
    /// # Errors
    /// When it could not be remembered.
    pub(crate) fn admit(&mut self, item: &Identified) -> Result<bool, Error> {
        let order = item.moment.as_ref().map(|moment| &moment.order);
        let listed = self.window.contains_key(&item.hash) || self.recent_set.contains(&item.hash);
        if !listed && self.window.len() >= SEEN {
            self.prune(order)?;
        }
        let stale = match (self.floor(self.old.as_ref().map(|old| &old.order)), order) {
            (Some(floor), Some(order)) => *order < floor,
            _ => false,
        };
        Ok(!(listed || stale || self.baseline.is_some() || self.known.contains_key(&item.hash)))
    }

    /// Notes an item that was listed, and whether it was emitted.
    pub(crate) fn note(&mut self, hash: u64, moment: Option<Moment>, emitted: bool) {
        let order = moment.as_ref().map(|moment| moment.order.clone());
        if let (Some(last), Some(order)) = (&self.last, &order) {
            self.rises += u32::from(order > last);
            self.falls |= order < last;
        }
        self.last.clone_from(&order);
        if let Some(moment) = moment
            && self.max.as_ref().is_none_or(|max| max.order < moment.order)
        {
            self.max = Some(moment);
        }
        self.window.insert(hash, order.clone());
        if emitted {
            self.emitted += 1;
            self.recent.push_back((hash, order));
            self.recent_set.insert(hash);
            if self.recent.len() > SEEN
                && let Some((oldest, _)) = self.recent.pop_front()
            {
                self.recent_set.remove(&oldest);
            }
        }
    }

    /// The state after a poll that came to an end.
    pub(crate) fn finish(self, end: End) -> Value {
        match (end, self.incremental.is_some()) {
            (End::Last, _) => self.complete(),
            // What is listed no more may only be further down: it is not new when it comes back.
            (End::Limit, false) => {
                let Self { window, known, .. } = self;
                let others = known.into_iter().filter(|(hash, _)| !window.contains_key(hash));
                Kept::write(None, None, window.keys().map(|hash| (*hash, None)).chain(others).take(SEEN))
            }
            (End::Limit, true) if self.baseline.is_some() || self.is_sorted() => self.complete(),
            (End::Limit, true) => self.halfway(SEEN),
        }
    }

    /// The state after a poll that broke off; nothing when what it emitted cannot be remembered.
    pub(crate) fn interrupted(self) -> Option<Value> {
        if self.emitted <= self.recent.len() as u64 && self.recent.len() + self.known.len() <= SEEN_HALFWAY {
            return Some(self.halfway(SEEN_HALFWAY));
        }
        // All that is still to come is later, so the cursor may move on.
        self.is_sorted().then(|| self.complete())
    }

    fn is_sorted(&self) -> bool {
        self.rises >= RISES && !self.falls
    }

    /// Everything was listed up to the largest value.
    fn complete(self) -> Value {
        let Some(it) = &self.incremental else {
            return Kept::write(None, None, self.window.into_iter().take(SEEN));
        };
        let newer = match (&self.old, &self.max) {
            (Some(old), Some(max)) if max.order <= old.order => Some(old),
            (_, Some(max)) => Some(max),
            (old, None) => old.as_ref(),
        };
        let cursor = newer.or(self.baseline.as_ref());
        let unchanged = cursor.is_some() && cursor == self.old.as_ref();
        let floor = self.floor(cursor.map(|cursor| &cursor.order));
        let within = |order: &Option<Order>| match (order, &floor) {
            (Some(order), Some(floor)) => order >= floor,
            _ => unchanged,
        };
        let listed = self.window.iter().filter(|(_, order)| within(order));
        let others =
            self.known.iter().filter(|(hash, order)| !self.window.contains_key(hash) && within(order));
        let seen = listed.chain(others).map(|(hash, order)| (*hash, order.clone()));
        Kept::write(Some(it), cursor, seen.take(SEEN))
    }

    /// The cursor stays where it was.
    fn halfway(self, most: usize) -> Value {
        let Self { incremental, old, known, recent, recent_set, .. } = self;
        let others = known.into_iter().filter(|(hash, _)| !recent_set.contains(hash));
        let seen = recent.into_iter().rev().chain(others).take(most);
        Kept::write(incremental.as_ref(), old.as_ref(), seen)
    }

    /// The least value that is looked at again after a largest value.
    fn floor(&self, max: Option<&Order>) -> Option<Order> {
        let it = self.incremental.as_ref()?;
        max.map(|max| max.before(it.overlap_seconds))
    }

    /// Drops from the window what a larger value has left behind.
    fn prune(&mut self, next: Option<&Order>) -> Result<(), Error> {
        let max = self.max.as_ref().map(|max| &max.order).into_iter().chain(next).max();
        if let Some(floor) = self.floor(max) {
            self.window.retain(|_, order| order.as_ref().is_none_or(|order| *order >= floor));
        }
        if self.window.len() < SEEN {
            return Ok(());
        }
        Err(if self.incremental.is_some() {
            let text =
                format!("more than {SEEN} items lie within the overlap: make `overlap_seconds` smaller");
            Error::fatal("too_many_items", text)
        } else {
            let text =
                format!("more than {SEEN} items cannot be told apart: describe `incremental` in the trigger");
            Error::fatal("too_many_items", text)
        })
    }
}

#[cfg(test)]
mod tests;
