//! Executions, step runs and counters.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{
    Counters, Execution, ExecutionStatus, FlowId, FlowVersion, StepCounters, StepId, StepRun,
};
use sluice_protocol::{ExecutionId, MessageId};

use crate::PortError;

/// What the recorder writes at once.
#[derive(Debug, Clone, Default)]
pub struct HistoryBatch {
    /// Step runs. One with a known id updates it: absent fields keep their old values, a later attempt or a final status
    /// wins over an earlier or open one.
    pub runs: Vec<StepRun>,
    /// Executions that repeat another one.
    pub retries: Vec<(ExecutionId, ExecutionId)>,
    /// What to add to the counters.
    pub counters: Vec<CounterDelta>,
}

/// What to add to the counters of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterDelta {
    /// The flow.
    pub flow: FlowId,
    /// The step.
    pub step: StepId,
    /// The counts to add.
    pub delta: StepCounters,
}

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Only of these flows.
    pub flows: Option<Vec<FlowId>>,
    /// Only those that stand like this.
    pub status: Option<ExecutionStatus>,
    /// Only those older than this one (the last of the page before).
    pub before: Option<(DateTime<Utc>, ExecutionId)>,
    /// At most so many: 1 to 1000.
    pub limit: u32,
}

/// How long history is kept, per flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Executions that nothing happened in for longer than this go.
    pub age: Duration,
    /// At most so many executions stay, the newest.
    pub count: u64,
}

/// History.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Writes a batch. Step runs make their executions where these are unknown.
    async fn record(&self, batch: &HistoryBatch) -> Result<(), PortError>;
    /// Executions, newest first.
    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, PortError>;
    /// One execution with its step runs in the order in which they were first noted.
    async fn execution(&self, id: ExecutionId) -> Result<Option<(Execution, Vec<StepRun>)>, PortError>;
    /// One step run.
    async fn step_run(&self, id: MessageId) -> Result<Option<StepRun>, PortError>;
    /// The counters of a flow.
    async fn counters(&self, flow: FlowId) -> Result<Counters, PortError>;
    /// The counters of all flows that have any, in one question.
    async fn all_counters(&self) -> Result<BTreeMap<FlowId, Counters>, PortError>;
    /// Deletes what is older or more than is to be kept; how many executions went.
    async fn prune(&self, retention: Retention, now: DateTime<Utc>) -> Result<u64, PortError>;
    /// The newest versions of flows that open step runs belong to, so that an old version is not retired too early.
    async fn open_versions(&self) -> Result<Vec<(FlowId, FlowVersion)>, PortError>;
}
