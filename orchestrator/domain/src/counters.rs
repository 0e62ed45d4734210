//! Counters of flows and steps. They count every message, whatever history records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::StepId;

/// The counters of a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// By step.
    pub steps: BTreeMap<StepId, StepCounters>,
}

/// The counters of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounters {
    /// Messages sent to the step; for a trigger, runs that emitted something.
    pub received: u64,
    /// Step runs that ended well.
    pub succeeded: u64,
    /// Messages that the step emitted.
    pub emitted: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were put off for a retry.
    pub retried: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages that the step's condition dropped.
    pub filtered: u64,
    /// Outcomes that were known already.
    pub duplicates: u64,
    /// Ticks that were skipped because the one before still ran, or the flow's backlog was too long.
    pub skipped: u64,
    /// Microseconds that the step's functions ran.
    pub micros: u64,
}

impl StepCounters {
    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.succeeded += other.succeeded;
        self.emitted += other.emitted;
        self.failed += other.failed;
        self.retried += other.retried;
        self.dead += other.dead;
        self.filtered += other.filtered;
        self.duplicates += other.duplicates;
        self.skipped += other.skipped;
        self.micros += other.micros;
    }
}
