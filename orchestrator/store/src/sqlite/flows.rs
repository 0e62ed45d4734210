//! Flows; their versions, ticks and states are in files of their own.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::topology::LaneName;
use sluice_domain::{Flow, FlowId, FlowName, FlowVersion, Intent, StepId};
use sluice_ports::PortError;
use sluice_ports::store::{Activity, FlowStore, NewVersion, TickState};
use sluice_protocol::MessageId;

use crate::failure::{Failure, Outcome};
use crate::row::{json, to_json};
use crate::sqlite::SqliteStore;
use crate::sqlite::ticks::Tick;

#[async_trait]
impl FlowStore for SqliteStore {
    async fn put_version(&self, new: &NewVersion) -> Result<(), PortError> {
        let operation = || format!("store version {} of flow {}", new.flow.version, new.flow.name);
        self.insert_version(new).await.map_err(|failure| failure.of(operation()))
    }

    async fn flow(&self, id: FlowId) -> Result<Option<Flow>, PortError> {
        let query = sqlx::query("SELECT doc FROM flows WHERE id = ?").bind(id.to_string());
        let row = query.fetch_optional(&self.readers).await.map_err(Failure::from);
        let flow = row.and_then(|row| row.as_ref().map(|row| json(row, "doc")).transpose());
        flow.map_err(|failure| failure.of(format!("read flow {id}")))
    }

    async fn flow_named(&self, name: &FlowName) -> Result<Option<Flow>, PortError> {
        let query = sqlx::query("SELECT doc FROM flows WHERE name = ?").bind(name.as_str());
        let row = query.fetch_optional(&self.readers).await.map_err(Failure::from);
        let flow = row.and_then(|row| row.as_ref().map(|row| json(row, "doc")).transpose());
        flow.map_err(|failure| failure.of(format!("read flow {name}")))
    }

    async fn flows(&self) -> Result<Vec<Flow>, PortError> {
        let all = sqlx::query("SELECT doc FROM flows ORDER BY name");
        let flows = all.map(|row| json(&row, "doc")).fetch_all(&self.readers).await.map_err(Failure::from);
        flows.and_then(|flows| flows.into_iter().collect()).map_err(|failure| failure.of("list flows"))
    }

    async fn set_intent(&self, id: FlowId, intent: Intent, now: DateTime<Utc>) -> Result<(), PortError> {
        let set = self.update_intent(id, intent, now).await;
        set.map_err(|failure| failure.of(format!("set the intent of flow {id}")))
    }

    async fn remove_flow(&self, id: FlowId) -> Result<(), PortError> {
        self.delete_flow(id).await.map_err(|failure| failure.of(format!("remove flow {id}")))
    }

    async fn version(&self, id: FlowId, version: FlowVersion) -> Result<Option<CompiledFlow>, PortError> {
        let operation = || format!("read version {version} of flow {id}");
        self.find_version(id, version).await.map_err(|failure| failure.of(operation()))
    }

    async fn versions(&self) -> Result<Vec<CompiledFlow>, PortError> {
        self.list_versions().await.map_err(|failure| failure.of("list versions of flows"))
    }

    async fn retire_version(&self, id: FlowId, version: FlowVersion) -> Result<(), PortError> {
        let operation = || format!("forget version {version} of flow {id}");
        self.delete_version(id, version).await.map_err(|failure| failure.of(operation()))
    }

    async fn note_activity(&self, seen: &[Activity]) -> Result<(), PortError> {
        self.update_activity(seen).await.map_err(|failure| failure.of("note activity"))
    }

    async fn activity(&self) -> Result<Vec<Activity>, PortError> {
        self.list_activity().await.map_err(|failure| failure.of("read activity"))
    }

    async fn own_lanes(&self) -> Result<Vec<LaneName>, PortError> {
        self.list_lanes().await.map_err(|failure| failure.of("list lanes"))
    }

    async fn put_own_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.insert_lane(lane).await.map_err(|failure| failure.of(format!("note lane {lane}")))
    }

    async fn remove_own_lane(&self, lane: &LaneName) -> Result<(), PortError> {
        self.delete_lane(lane).await.map_err(|failure| failure.of(format!("forget lane {lane}")))
    }

    async fn tick_state(&self, flow: FlowId, step: &StepId) -> Result<TickState, PortError> {
        let operation = || format!("read the ticks of {flow}/{step}");
        self.find_tick(flow, step).await.map_err(|failure| failure.of(operation()))
    }

    async fn begin_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let begun = self.insert_tick(Tick { flow, step, id: tick }, now).await;
        begun.map_err(|failure| failure.of(format!("begin a tick of {flow}/{step}")))
    }

    async fn end_tick(
        &self,
        flow: FlowId,
        step: &StepId,
        tick: MessageId,
        cursor: Option<&Value>,
    ) -> Result<(), PortError> {
        let ended = self.finish_tick(Tick { flow, step, id: tick }, cursor).await;
        ended.map_err(|failure| failure.of(format!("end a tick of {flow}/{step}")))
    }

    async fn replace_cursor(
        &self,
        flow: FlowId,
        step: &StepId,
        seen: &Value,
        left: &Value,
    ) -> Result<bool, PortError> {
        let replaced = self.swap_cursor((flow, step), seen, left).await;
        replaced.map_err(|failure| failure.of(format!("replace the cursor of {flow}/{step}")))
    }

    async fn step_state(&self, flow: FlowId, step: &StepId) -> Result<Option<Value>, PortError> {
        let operation = || format!("read what {flow}/{step} keeps");
        self.find_state(flow, step).await.map_err(|failure| failure.of(operation()))
    }

    async fn put_step_state(&self, flow: FlowId, step: &StepId, value: &Value) -> Result<(), PortError> {
        let kept = self.replace_state(flow, step, value).await;
        kept.map_err(|failure| failure.of(format!("keep what {flow}/{step} is to keep")))
    }
}

impl SqliteStore {
    async fn update_intent(&self, id: FlowId, intent: Intent, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        let found = sqlx::query("SELECT doc FROM flows WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *write)
            .await?;
        let row = found.ok_or(Failure::NotFound("there is no such flow"))?;
        let flow = Flow { intent, updated_at: now, ..json(&row, "doc")? };
        sqlx::query("UPDATE flows SET doc = ? WHERE id = ?")
            .bind(to_json(&flow)?)
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn delete_flow(&self, id: FlowId) -> Outcome<()> {
        let mut write = self.begin().await?;
        // Versions, ticks and states go with the flow; history has no such tie.
        for statement in [
            "DELETE FROM flows WHERE id = ?",
            "DELETE FROM counters WHERE flow = ?",
            "DELETE FROM step_runs WHERE execution IN (SELECT id FROM executions WHERE flow = ?)",
            "DELETE FROM retries WHERE execution IN (SELECT id FROM executions WHERE flow = ?)",
            "DELETE FROM executions WHERE flow = ?",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *write).await?;
        }
        Ok(write.commit().await?)
    }
}
