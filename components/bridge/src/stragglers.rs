//! Outputs that come after the end of their run.
//!
//! Many components emit without waiting for it: their message is acknowledged before the first of its outputs is published.
//! These belong to the run all the same, so its end waits until the process is at rest. A process that never does so is not
//! made slow by it: after some runs without stragglers there is no more waiting, until one comes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

use crate::broker::Broker;

/// How often it is looked whether the process is at rest.
const LOOK: Duration = Duration::from_millis(20);
/// How often in a row nothing may have moved until the process is at rest.
const STILL: u32 = 3;
/// How long the wait for its rest is at most: others may keep it busy.
const MOST: Duration = Duration::from_secs(5);
/// How long nothing more must have come where nothing is known of the process.
const QUIET: Duration = Duration::from_millis(200);
/// After so many runs without stragglers there are none.
const RUNS: u32 = 5;

/// What is known of a process.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    /// Runs without stragglers since there was one.
    without: AtomicU32,
}

impl Stragglers {
    /// One came.
    pub(crate) fn came(&self) {
        self.without.store(0, Ordering::Relaxed);
    }

    /// A run had none.
    pub(crate) fn none_came(&self) {
        // It stops at the largest number there is.
        let more = |runs: u32| runs.checked_add(1);
        self.without.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
    }

    /// Whether the end of a run waits for them.
    pub(crate) fn are_expected(&self) -> bool {
        self.without.load(Ordering::Relaxed) < RUNS
    }
}

/// What else comes until the process is at rest: it sleeps, nobody woke it, and nothing is on its way from or to it. So a
/// machine that is too busy to run the process, or us, is not mistaken for rest.
pub(crate) async fn next<T>(
    from: &mut UnboundedReceiver<T>,
    process: Option<u32>,
    broker: &Broker,
) -> Option<T> {
    let since = Instant::now();
    let (mut before, mut still) = (None, 0);
    loop {
        if let Ok(told) = timeout(LOOK, from.recv()).await {
            return told;
        }
        let pulse = pulse(process).await;
        let moves = pulse != before || !broker.is_still().await;
        still = if pulse.is_some() && !moves { still + 1 } else { 0 };
        let rests = if pulse.is_some() { still >= STILL } else { since.elapsed() >= QUIET };
        if rests || since.elapsed() >= MOST {
            return from.try_recv().ok();
        }
        before = pulse;
    }
}

/// How often a process that sleeps was woken until now; nothing of one that works or is not known.
async fn pulse(process: Option<u32>) -> Option<(String, String)> {
    let id = process?;
    let status = tokio::fs::read_to_string(format!("/proc/{id}/task/{id}/status")).await.ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|text| text.trim().to_owned())
    };
    // A process that waits for a processor is at no rest either.
    field("State")?.starts_with('S').then_some(())?;
    Some((field("voluntary_ctxt_switches")?, field("nonvoluntary_ctxt_switches")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_stragglers_is_not_waited_for_until_one_comes() {
        let stragglers = Stragglers::default();
        for _ in 0..RUNS {
            assert!(stragglers.are_expected());
            stragglers.none_came();
        }
        assert!(!stragglers.are_expected());
        stragglers.came();
        assert!(stragglers.are_expected());
    }
}
