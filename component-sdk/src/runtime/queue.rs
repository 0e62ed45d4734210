//! What waits to be published, by routing key, and when it is due.
//!
//! Nothing waits while nothing is outstanding. While earlier batches wait for their confirms, records gather until there
//! are many of them or the oldest has waited a few milliseconds: so batches form by themselves under load.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sluice_protocol::batch;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::publisher::Waiter;

/// How long a record waits for company while earlier batches are outstanding.
const LINGER: Duration = Duration::from_millis(2);
/// From this many records on a batch does not wait.
const PLENTY_RECORDS: usize = 50;
/// From this many bytes on a batch does not wait.
const PLENTY_BYTES: usize = 64 * 1024;

/// Room that a record takes until the broker has it, of its run or listener and of the process; records that belong together
/// share it.
pub(crate) type Room = Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>;

/// One record to be stored by the broker.
pub(crate) struct Pending {
    pub(crate) key: Arc<str>,
    pub(crate) record: Bytes,
    pub(crate) since: Instant,
    pub(crate) waiter: Waiter,
    pub(crate) _room: Option<Room>,
}

/// Records for one routing key that are published together.
pub(crate) struct Batch {
    pub(crate) key: Arc<str>,
    pub(crate) records: Vec<Pending>,
}

/// The waiting records.
#[derive(Default)]
pub(crate) struct Queue {
    lines: BTreeMap<Arc<str>, Line>,
    last: Option<Arc<str>>,
}

struct Line {
    waiting: VecDeque<Pending>,
    bytes: usize,
    /// After a refusal: not before this time.
    closed_until: Option<Instant>,
    refusals: Backoff,
}

impl Line {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, closed_until: None, refusals: Backoff::new() }
    }

    /// When the next batch of this line is due; none when nothing waits.
    fn due(&self, idle: bool) -> Option<Instant> {
        let oldest = self.waiting.front()?;
        let plenty = self.waiting.len() >= PLENTY_RECORDS || self.bytes >= PLENTY_BYTES;
        let ready = if idle || plenty { oldest.since } else { oldest.since + LINGER };
        Some(self.closed_until.map_or(ready, |open| open.max(ready)))
    }

    fn take(&mut self) -> Vec<Pending> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            let size = next.record.len() + 1;
            if !records.is_empty() && !batch::fits(records.len(), bytes, size) {
                break;
            }
            bytes += size;
            records.extend(self.waiting.pop_front());
        }
        self.bytes -= bytes;
        records
    }
}

impl Queue {
    pub(crate) fn push(&mut self, pending: Pending) {
        let line = self.lines.entry(Arc::clone(&pending.key)).or_insert_with(Line::new);
        line.bytes += pending.record.len() + 1;
        line.waiting.push_back(pending);
    }

    /// Puts a batch back to the head of its line.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        let line = self.lines.entry(batch.key).or_insert_with(Line::new);
        for pending in batch.records.into_iter().rev() {
            line.bytes += pending.record.len() + 1;
            line.waiting.push_front(pending);
        }
    }

    /// Puts a batch back that the broker refused, and closes its line for a while.
    pub(crate) fn refuse(&mut self, batch: Batch, now: Instant) {
        let key = Arc::clone(&batch.key);
        self.put_back(batch);
        if let Some(line) = self.lines.get_mut(&key) {
            line.closed_until = Some(now + line.refusals.pause());
        }
    }

    /// Tells that a batch for this key was stored.
    pub(crate) fn stored(&mut self, key: &str) {
        if let Some(line) = self.lines.get_mut(key) {
            line.refusals.reset();
            line.closed_until = None;
        }
    }

    /// When the next batch is due; none when nothing waits.
    pub(crate) fn due(&self, idle: bool) -> Option<Instant> {
        self.lines.values().filter_map(|line| line.due(idle)).min()
    }

    /// A batch that is due, from each routing key in turn.
    pub(crate) fn take(&mut self, idle: bool, now: Instant) -> Option<Batch> {
        let after = |key: &Arc<str>| self.last.as_ref().is_none_or(|last| key > last);
        let due = |(key, line): (&Arc<str>, &Line)| {
            line.due(idle).is_some_and(|at| at <= now).then(|| Arc::clone(key))
        };
        let ready: Vec<Arc<str>> = self.lines.iter().filter_map(due).collect();
        let key = ready.iter().find(|key| after(key)).or_else(|| ready.first()).cloned()?;
        let records = self.lines.get_mut(&key)?.take();
        self.last = Some(Arc::clone(&key));
        Some(Batch { key, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue, key: &str, record: &'static str, since: Instant) {
        let waiter = Waiter::Task(tokio::sync::oneshot::channel().0);
        queue.push(Pending {
            key: key.into(),
            record: Bytes::from_static(record.as_bytes()),
            since,
            waiter,
            _room: None,
        });
    }

    fn taken(queue: &mut Queue, idle: bool, now: Instant) -> String {
        let Some(batch) = queue.take(idle, now) else { return "nothing".to_owned() };
        let records: Vec<_> =
            batch.records.iter().map(|one| String::from_utf8_lossy(&one.record).into_owned()).collect();
        format!("{}: {}", batch.key, records.join(" "))
    }

    #[test]
    fn nothing_waits_while_nothing_is_outstanding() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        push(&mut queue, "01", "a", now);
        assert_eq!(taken(&mut queue, false, now), "nothing");
        assert_eq!(queue.due(false), Some(now + LINGER));
        assert_eq!(taken(&mut queue, true, now), "01: a");
        assert_eq!(queue.due(true), None);
    }

    #[test]
    fn what_gathered_leaves_together_after_a_moment() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        push(&mut queue, "01", "a", now);
        push(&mut queue, "01", "b", now + LINGER);
        assert_eq!(taken(&mut queue, false, now + LINGER), "01: a b");
    }

    #[test]
    fn routing_keys_take_turns() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for record in ["a", "b"] {
            push(&mut queue, "01", record, now);
            push(&mut queue, "02", record, now);
            let first = taken(&mut queue, true, now);
            push(&mut queue, "01", record, now);
            assert_ne!(first, taken(&mut queue, true, now));
        }
    }

    #[test]
    fn a_refused_batch_comes_again_later_in_its_old_order() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        push(&mut queue, "01", "a", now);
        let batch = queue.take(true, now).unwrap();
        push(&mut queue, "01", "b", now);
        queue.refuse(batch, now);
        assert_eq!(taken(&mut queue, true, now), "nothing");
        assert_eq!(taken(&mut queue, true, now + Duration::from_secs(5)), "01: a b");
    }
}
