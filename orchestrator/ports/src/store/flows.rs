//! Flows, their versions, the cursors and ticks of their triggers, and what their steps keep.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::topology::LaneName;
use sluice_domain::{Flow, FlowId, FlowName, FlowVersion, Intent, StepId};
use sluice_protocol::MessageId;

use crate::PortError;

/// A new or changed flow with its newly compiled version.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// The flow, its `version` being that of `compiled`.
    pub flow: Flow,
    /// The version.
    pub compiled: CompiledFlow,
    /// The version that the change was planned against; none for a new flow. Another one is a conflict.
    pub replaces: Option<FlowVersion>,
}

/// Where a polling trigger stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TickState {
    /// The cursor that it returned last.
    pub cursor: Option<Value>,
    /// The tick that is under way, and since when.
    pub pending: Option<(MessageId, DateTime<Utc>)>,
    /// When it ticked last.
    pub last: Option<DateTime<Utc>>,
}

/// When a version of a flow was last seen at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// The flow.
    pub flow: FlowId,
    /// The version.
    pub version: FlowVersion,
    /// When a message of it was seen last, to the minute.
    pub seen_at: DateTime<Utc>,
}

/// Flows.
#[async_trait]
pub trait FlowStore: Send + Sync {
    /// Stores a flow with a new version of it. Conflict when the flow was changed meanwhile, or when another flow has
    /// the name.
    async fn put_version(&self, new: &NewVersion) -> Result<(), PortError>;
    /// One flow.
    async fn flow(&self, id: FlowId) -> Result<Option<Flow>, PortError>;
    /// One flow by name.
    async fn flow_named(&self, name: &FlowName) -> Result<Option<Flow>, PortError>;
    /// All flows, by name.
    async fn flows(&self) -> Result<Vec<Flow>, PortError>;
    /// Changes what the operator wants. Not found when there is no such flow.
    async fn set_intent(&self, id: FlowId, intent: Intent, now: DateTime<Utc>) -> Result<(), PortError>;
    /// Removes a flow with its versions, cursors, states, counters and history. Its dead letters stay. Idempotent.
    async fn remove_flow(&self, id: FlowId) -> Result<(), PortError>;

    /// One version of a flow.
    async fn version(&self, id: FlowId, version: FlowVersion) -> Result<Option<CompiledFlow>, PortError>;
    /// All versions that are kept, of all flows, by flow and version.
    async fn versions(&self) -> Result<Vec<CompiledFlow>, PortError>;
    /// Forgets an old version. The flow's current one is a conflict. Idempotent.
    async fn retire_version(&self, id: FlowId, version: FlowVersion) -> Result<(), PortError>;
    /// Notes that versions were seen at work.
    async fn note_activity(&self, seen: &[Activity]) -> Result<(), PortError>;
    /// When each version was seen last.
    async fn activity(&self) -> Result<Vec<Activity>, PortError>;

    /// The lanes that steps have of their own, by name.
    async fn own_lanes(&self) -> Result<Vec<LaneName>, PortError>;
    /// Notes that a step has a lane of its own. Idempotent.
    async fn put_own_lane(&self, lane: &LaneName) -> Result<(), PortError>;
    /// Notes that a lane is gone. Idempotent.
    async fn remove_own_lane(&self, lane: &LaneName) -> Result<(), PortError>;

    /// Where a polling trigger stands; the default when it never ran.
    async fn tick_state(&self, flow: FlowId, step: &StepId) -> Result<TickState, PortError>;
    /// Notes that a tick was sent.
    async fn begin_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError>;
    /// Notes that a tick is over, with the new cursor if it returned one. Does nothing when another tick is pending.
    async fn end_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        cursor: Option<&Value>,
    ) -> Result<(), PortError>;
    /// Replaces a cursor by what is left of it, when it still is `seen` and no tick is pending. Says whether it did.
    async fn replace_cursor(
        &self,
        flow: FlowId,
        step: &StepId,
        seen: &Value,
        left: &Value,
    ) -> Result<bool, PortError>;

    /// What a step keeps from run to run; none when it keeps nothing.
    async fn step_state(&self, flow: FlowId, step: &StepId) -> Result<Option<Value>, PortError>;
    /// Keeps it in the place of what was kept. Not found when there is no such flow.
    async fn put_step_state(&self, flow: FlowId, step: &StepId, value: &Value) -> Result<(), PortError>;
}
