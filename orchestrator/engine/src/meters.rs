//! What is counted while the process runs, for the metrics.
//!
//! Counting on the way of messages is a few relaxed additions for a whole delivery or publish, never for a record. What
//! has labels is behind a lock, and only where a request or a container is dealt with. Labels are bounded: past
//! [`PLACES`] combinations of a metric everything more is counted under one that says `other`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most combinations of labels of one metric.
const PLACES: usize = 1000;
/// What is said of combinations beyond that.
const OTHER: &str = "other";

/// The upper bounds of the buckets of every [`Timer`], in microseconds: 0.5 ms to 60 s.
pub(crate) const BOUNDS: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// All counters of a process.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Deliveries that the router took.
    pub(crate) deliveries: Count,
    /// Those of them that a consumer had before.
    pub(crate) redeliveries: Count,
    /// Records in them.
    pub(crate) records: Count,
    /// From a delivery to what follows from it: waiting for a worker, unpacking, evaluating.
    pub(crate) routing: Timer,
    /// Inputs that were sent again because their consumer died.
    pub(crate) suspects: Count,
    /// From a publish to the broker's confirm.
    pub(crate) confirming: Timer,
    /// Publishes that are not confirmed yet.
    pub(crate) unconfirmed: Level,
    /// Publishes that were refused because the queue is full.
    pub(crate) refused: Count,
    /// Publishes of which nobody knows whether they were stored.
    pub(crate) unknown: Count,
    /// Messages that the broker could not deliver and that became dead letters.
    pub(crate) undelivered_dead: Count,
    /// Batches that the broker could not deliver and that were sent again.
    pub(crate) undelivered_restored: Count,
    /// Spans that a collector took, and those that nobody took.
    pub(crate) spans_sent: Count,
    pub(crate) spans_dropped: Count,
    /// One write of history and counters.
    pub(crate) storing: Timer,
    /// Runs outside any flow, and how each ended.
    pub(crate) invoking: Timer,
    pub(crate) invocations: Tally<1>,
    /// Requests to webhooks, by what became of them.
    pub(crate) webhooks: Tally<1>,
    /// Requests of components to go out, by what became of them; tunnels that are open, and bytes of what ended.
    pub(crate) egress: Tally<1>,
    pub(crate) egress_open: Level,
    pub(crate) egress_bytes: Count,
    /// Refreshes of tokens, by what became of them.
    pub(crate) refreshes: Tally<1>,
    /// Requests to listeners: listener, method, route, class of the status.
    pub(crate) requests: Tally<4>,
    /// How long requests to the operator's listener took.
    pub(crate) answering: Timer,
    /// Containers, by component.
    pub(crate) starts: Tally<1>,
    pub(crate) restarts: Tally<1>,
    pub(crate) start_failures: Tally<1>,
    /// Containers that ended by themselves, by component and how.
    pub(crate) exits: Tally<2>,
}

/// Something that is counted.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are at the moment.
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicI64);

impl Level {
    /// One more, until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// So many more, or fewer.
    pub(crate) fn shift(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// One that is there.
pub(crate) struct Entered<'a>(&'a Level);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long something takes, in buckets.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    /// By [`BOUNDS`]; the last one has what took longer than all of them.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Timer {
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many took at most as long as each bound, how many there were, and the microseconds of all of them.
    pub(crate) fn read(&self) -> ([u64; BOUNDS.len()], u64, u64) {
        let mut sum = 0;
        let mut so_far = [0; BOUNDS.len()];
        for (index, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Ordering::Relaxed);
            if let Some(place) = so_far.get_mut(index) {
                *place = sum;
            }
        }
        (so_far, sum, self.micros.load(Ordering::Relaxed))
    }
}

/// Counters that are told apart by labels.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<const N: usize> Tally<N> {
    pub(crate) fn add(&self, labels: [&str; N]) {
        self.count(labels, 1);
    }

    /// Shows 0 for these labels from now on, if nothing was counted yet: who watches how a counter grows sees the first one
    /// too.
    pub(crate) fn expect(&self, labels: [&str; N]) {
        self.count(labels, 0);
    }

    fn count(&self, labels: [&str; N], more: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = labels.map(str::to_owned);
        let key = if counts.len() < PLACES || counts.contains_key(&key) {
            key
        } else {
            std::array::from_fn(|_| OTHER.to_owned())
        };
        *counts.entry(key).or_default() += more;
    }

    pub(crate) fn read(&self) -> BTreeMap<[String; N], u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_each_bucket_that_is_long_enough() {
        let timer = Timer::default();
        for millis in [0, 1, 3, 70_000] {
            timer.observe(Duration::from_millis(millis));
        }
        let (so_far, count, micros) = timer.read();
        assert_eq!((so_far[0], so_far[1], so_far[2], so_far[3], so_far[14]), (1, 2, 2, 3, 3));
        assert_eq!((count, micros), (4, 70_004_000));
    }

    #[test]
    fn what_is_expected_is_there_before_it_is_counted() {
        let tally = Tally::default();
        tally.expect(["http"]);
        assert_eq!(tally.read()[&["http".to_owned()]], 0);
        tally.add(["http"]);
        tally.expect(["http"]);
        assert_eq!(tally.read()[&["http".to_owned()]], 1);
    }

    #[test]
    fn labels_without_end_are_counted_as_others() {
        let tally = Tally::default();
        for number in 0..PLACES + 5 {
            tally.add([&number.to_string()]);
        }
        tally.add(["7"]);
        let counts = tally.read();
        assert_eq!(counts.len(), PLACES + 1);
        assert_eq!((counts[&[OTHER.to_owned()]], counts[&["7".to_owned()]]), (5, 2));
    }

    #[test]
    fn what_is_left_is_not_there_any_more() {
        let level = Level::default();
        let one = level.enter();
        assert_eq!(
            (level.get(), {
                drop(one);
                level.get()
            }),
            (1, 0)
        );
    }
}
