//! Flows, versions, activity and ticks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::topology::LaneName;
use sluice_domain::{Flow, FlowId, FlowName, FlowVersion, Intent, StepId};
use sluice_ports::store::{Activity, FlowStore, NewVersion, TickState};
use sluice_ports::{Fault, PortError};
use sluice_protocol::MessageId;

use super::{MemoryStore, Version};

#[async_trait]
impl FlowStore for MemoryStore {
    async fn put_version(&self, new: &NewVersion) -> Result<(), PortError> {
        let NewVersion { flow, compiled, replaces } = new;
        let operation = format!("store version {} of flow {}", flow.version, flow.name);
        let mut state = self.write(&operation)?;
        if (flow.id, flow.version) != (compiled.id, compiled.version) {
            return Err(PortError::new(Fault::Permanent, operation, "they do not belong together"));
        }
        let key = (flow.id, flow.version);
        let changed = state.flows.get(&flow.id).map(|flow| flow.version) != *replaces;
        let named = state.flows.values().any(|other| other.id != flow.id && other.name == flow.name);
        if changed || named || state.versions.contains_key(&key) {
            return Err(PortError::conflict(operation));
        }
        state.flows.insert(flow.id, flow.clone());
        state.versions.insert(key, Version { compiled: compiled.clone(), seen_at: None });
        Ok(())
    }

    async fn flow(&self, id: FlowId) -> Result<Option<Flow>, PortError> {
        Ok(self.read(format!("read flow {id}"))?.flows.get(&id).cloned())
    }

    async fn flow_named(&self, name: &FlowName) -> Result<Option<Flow>, PortError> {
        Ok(self.read(format!("read flow {name}"))?.flows.values().find(|flow| flow.name == *name).cloned())
    }

    async fn flows(&self) -> Result<Vec<Flow>, PortError> {
        let mut flows: Vec<_> = self.read("list flows")?.flows.values().cloned().collect();
        flows.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(flows)
    }

    async fn set_intent(&self, id: FlowId, intent: Intent, now: DateTime<Utc>) -> Result<(), PortError> {
        let operation = format!("set the intent of flow {id}");
        let mut state = self.write(&operation)?;
        let flow = state.flows.get_mut(&id).ok_or_else(|| PortError::not_found(operation))?;
        flow.intent = intent;
        flow.updated_at = now;
        Ok(())
    }

    async fn remove_flow(&self, id: FlowId) -> Result<(), PortError> {
        let mut state = self.write(format!("remove flow {id}"))?;
        state.flows.remove(&id);
        state.versions.retain(|key, _| key.0 != id);
        state.ticks.retain(|key, _| key.0 != id);
        state.states.retain(|key, _| key.0 != id);
        state.counters.retain(|key, _| key.0 != id);
        state.hook_keys.retain(|key| key.flow != id);
        state.hook_deliveries.retain(|key, _| key.0 != id);
        state.forget(|execution| execution.flow == id);
        Ok(())
    }

    async fn version(&self, id: FlowId, version: FlowVersion) -> Result<Option<CompiledFlow>, PortError> {
        let state = self.read(format!("read version {version} of flow {id}"))?;
        Ok(state.versions.get(&(id, version)).map(|version| version.compiled.clone()))
    }

    async fn versions(&self) -> Result<Vec<CompiledFlow>, PortError> {
        let state = self.read("list versions of flows")?;
        Ok(state.versions.values().map(|version| version.compiled.clone()).collect())
    }

    async fn retire_version(&self, id: FlowId, version: FlowVersion) -> Result<(), PortError> {
        let operation = format!("forget version {version} of flow {id}");
        let mut state = self.write(&operation)?;
        if state.flows.get(&id).is_some_and(|flow| flow.version == version) {
            return Err(PortError::conflict(operation));
        }
        state.versions.remove(&(id, version));
        Ok(())
    }

    async fn note_activity(&self, seen: &[Activity]) -> Result<(), PortError> {
        let mut state = self.write("note activity")?;
        for activity in seen {
            if let Some(version) = state.versions.get_mut(&(activity.flow, activity.version)) {
                version.seen_at = version.seen_at.max(Some(activity.seen_at));
            }
        }
        Ok(())
    }

    async fn activity(&self) -> Result<Vec<Activity>, PortError> {
        let state = self.read("read activity")?;
        let seen = state.versions.iter().filter_map(|(&(flow, version), kept)| {
            kept.seen_at.map(|seen_at| Activity { flow, version, seen_at })
        });
        Ok(seen.collect())
    }

    async fn own_lanes(&self) -> Result<Vec<LaneName>, PortError> {
        Ok(self.read("list lanes")?.lanes.iter().cloned().collect())
    }

    async fn put_own_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.write("note a lane")?.lanes.insert(lane.clone());
        Ok(())
    }

    async fn remove_own_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.write("forget a lane")?.lanes.remove(lane);
        Ok(())
    }

    async fn tick_state(&self, flow: FlowId, step: &StepId) -> Result<TickState, PortError> {
        let state = self.read(format!("read the ticks of {flow}/{step}"))?;
        Ok(state.ticks.get(&(flow, step.clone())).cloned().unwrap_or_default())
    }

    async fn begin_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let operation = format!("begin a tick of {flow}/{step}");
        let mut state = self.write(&operation)?;
        if !state.flows.contains_key(&flow) {
            return Err(PortError::not_found(operation));
        }
        let ticks = state.ticks.entry((flow, step.clone())).or_default();
        ticks.pending = Some((tick, now));
        ticks.last = Some(now);
        Ok(())
    }

    async fn end_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        cursor: Option<&Value>,
    ) -> Result<(), PortError> {
        let mut state = self.write(format!("end a tick of {flow}/{step}"))?;
        let Some(ticks) = state.ticks.get_mut(&(flow, step.clone())) else { return Ok(()) };
        if ticks.pending.is_some_and(|(pending, _)| pending == tick) {
            ticks.pending = None;
            ticks.cursor = cursor.cloned().or_else(|| ticks.cursor.take());
        }
        Ok(())
    }

    async fn replace_cursor(
        &self,
        flow: FlowId,
        step: &StepId,
        seen: &Value,
        left: &Value,
    ) -> Result<bool, PortError> {
        let mut state = self.write(format!("replace the cursor of {flow}/{step}"))?;
        let Some(ticks) = state.ticks.get_mut(&(flow, step.clone())) else { return Ok(false) };
        let same = ticks.pending.is_none() && ticks.cursor.as_ref() == Some(seen);
        if same {
            ticks.cursor = Some(left.clone());
        }
        Ok(same)
    }

    async fn step_state(&self, flow: FlowId, step: &StepId) -> Result<Option<Value>, PortError> {
        Ok(self.read(format!("read what {flow}/{step} keeps"))?.states.get(&(flow, step.clone())).cloned())
    }

    async fn put_step_state(&self, flow: FlowId, step: &StepId, value: &Value) -> Result<(), PortError> {
        let operation = format!("keep what {flow}/{step} is to keep");
        let mut state = self.write(&operation)?;
        if !state.flows.contains_key(&flow) {
            return Err(PortError::not_found(operation));
        }
        state.states.insert((flow, step.clone()), value.clone());
        Ok(())
    }
}
