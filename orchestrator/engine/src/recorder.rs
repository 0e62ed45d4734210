//! The recorder: writes history and counters in batches, off the hot path.
//!
//! Counters count every message. Step runs go through a bounded channel; when the store cannot keep up, they are dropped
//! and counted. Both are at most [`EVERY`] late; a kill of the process loses that much of history and counters, never a
//! message. Dead letters do not come this way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sluice_domain::{FlowId, StepCounters, StepId, StepRun};
use sluice_ports::store::{CounterDelta, HistoryBatch, Retention};
use sluice_ports::{Ports, Span};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::meters::Meters;
use crate::traces::Outbox;

/// How late history may be.
const EVERY: Duration = Duration::from_millis(250);
/// Step runs that wait to be written.
const ROOM: usize = 20_000;
/// Step runs written at once.
const CHUNK: usize = 2_000;
/// Events that a slow follower of the live tail may lag behind.
const TAIL: usize = 1_000;

/// The handle to the recorder.
#[derive(Clone)]
pub(crate) struct Recorder {
    runs: mpsc::Sender<StepRun>,
    shared: Arc<Shared>,
}

struct Shared {
    counters: Mutex<HashMap<(FlowId, StepId), StepCounters>>,
    tail: broadcast::Sender<StepRun>,
    dropped: AtomicU64,
    /// When something last came of each step's inputs.
    finished: Mutex<HashMap<(FlowId, StepId), DateTime<Utc>>>,
    meters: Arc<Meters>,
    outbox: Outbox,
}

impl Recorder {
    /// Makes the recorder and the work that it does until `stop`.
    pub(crate) fn new(
        ports: Ports,
        retention: Retention,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (runs, inbox) = mpsc::channel(ROOM);
        let shared = Arc::new(Shared {
            counters: Mutex::default(),
            tail: broadcast::Sender::new(TAIL),
            dropped: AtomicU64::new(0),
            finished: Mutex::default(),
            meters: Arc::default(),
            outbox: Outbox::default(),
        });
        let work = run(ports, retention, (inbox, shared.clone()), stop);
        (Self { runs, shared }, work)
    }

    /// Counts.
    pub(crate) fn count(&self, flow: FlowId, counts: &[(StepId, StepCounters)]) {
        let mut counters = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (step, delta) in counts {
            counters.entry((flow, step.clone())).or_default().add(delta);
        }
    }

    /// Records step runs.
    pub(crate) fn record(&self, runs: Vec<StepRun>) {
        for run in runs {
            self.shared.tail.send(run.clone()).ok();
            if self.runs.try_send(run).is_err() {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Follows the step runs as they are recorded.
    pub(crate) fn tail(&self) -> broadcast::Receiver<StepRun> {
        self.shared.tail.subscribe()
    }

    /// What is counted besides the counters of steps.
    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.shared.meters
    }

    /// Where spans go.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    /// Takes the spans of an outcome that was just routed.
    pub(crate) fn trace(&self, spans: Vec<Span>, now: DateTime<Utc>) {
        if !spans.is_empty() {
            self.shared.outbox.put(spans, now, &self.shared.meters);
        }
    }

    /// When something last came of the inputs of each step, of those of which something came within a day.
    pub(crate) fn finished(&self) -> HashMap<(FlowId, StepId), DateTime<Utc>> {
        self.shared.finished.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Step runs that were not recorded because the store could not keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

async fn run(
    ports: Ports,
    retention: Retention,
    (mut inbox, shared): (mpsc::Receiver<StepRun>, Arc<Shared>),
    stop: CancellationToken,
) {
    let mut flush = tokio::time::interval(EVERY);
    let mut prune = tokio::time::interval(Duration::from_secs(60));
    loop {
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = flush.tick() => false,
            _ = prune.tick() => {
                shared.forget_finished(ports.clock.now());
                match ports.store.prune(retention, ports.clock.now()).await {
                    Ok(0) => {}
                    Ok(count) => info!(count, "old executions pruned"),
                    Err(error) => warn!(error = crate::task::chain(&error), "cannot prune history"),
                }
                false
            }
        };
        while let Some(batch) = take(&mut inbox, &shared) {
            shared.note_finished(&batch.counters, ports.clock.now());
            let begun = Instant::now();
            crate::task::persist("record history", || ports.store.record(&batch)).await;
            shared.meters.storing.observe(begun.elapsed());
        }
        if ending {
            return;
        }
    }
}

impl Shared {
    fn note_finished(&self, counted: &[CounterDelta], now: DateTime<Utc>) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for CounterDelta { flow, step, delta } in counted {
            let StepCounters { succeeded, emitted, failed, retried, duplicates, micros, .. } = delta;
            if [succeeded, emitted, failed, retried, duplicates, micros].iter().any(|count| **count > 0) {
                finished.insert((*flow, step.clone()), now);
            }
        }
    }

    fn forget_finished(&self, now: DateTime<Utc>) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.retain(|_, at| now - *at < TimeDelta::days(1));
    }
}

/// What there is to write, at most [`CHUNK`] runs of it.
fn take(inbox: &mut mpsc::Receiver<StepRun>, shared: &Shared) -> Option<HistoryBatch> {
    let mut batch = HistoryBatch::default();
    while batch.runs.len() < CHUNK
        && let Ok(run) = inbox.try_recv()
    {
        batch.runs.push(run);
    }
    let counters = std::mem::take(&mut *shared.counters.lock().unwrap_or_else(PoisonError::into_inner));
    batch.counters =
        counters.into_iter().map(|((flow, step), delta)| CounterDelta { flow, step, delta }).collect();
    (!batch.runs.is_empty() || !batch.counters.is_empty()).then_some(batch)
}
