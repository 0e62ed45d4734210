//! Cursors and ticks of polling triggers.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::{FlowId, StepId};
use sluice_ports::store::TickState;
use sluice_protocol::MessageId;

use crate::failure::Outcome;
use crate::row::{maybe_json, maybe_parsed, maybe_time, to_json};
use crate::sqlite::SqliteStore;

/// A tick of a trigger.
pub(super) struct Tick<'a> {
    pub(super) flow: FlowId,
    pub(super) step: &'a StepId,
    pub(super) id: MessageId,
}

impl SqliteStore {
    pub(super) async fn find_tick(&self, flow: FlowId, step: &StepId) -> Outcome<TickState> {
        let found = sqlx::query("SELECT cursor, tick, since, last FROM ticks WHERE flow = ? AND step = ?")
            .bind(flow.to_string())
            .bind(step.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = &found else { return Ok(TickState::default()) };
        let pending = maybe_parsed(row, "tick")?.zip(maybe_time(row, "since")?);
        Ok(TickState { cursor: maybe_json(row, "cursor")?, pending, last: maybe_time(row, "last")? })
    }

    pub(super) async fn insert_tick(&self, tick: Tick<'_>, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "INSERT INTO ticks (flow, step, tick, since, last) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT DO UPDATE SET tick = excluded.tick, since = excluded.since, last = excluded.last",
        )
        .bind(tick.flow.to_string())
        .bind(tick.step.as_str())
        .bind(tick.id.to_string())
        .bind(now.timestamp_millis())
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    pub(super) async fn finish_tick(&self, tick: Tick<'_>, cursor: Option<&Value>) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "UPDATE ticks SET tick = NULL, since = NULL, cursor = coalesce(?, cursor)
             WHERE flow = ? AND step = ? AND tick = ?",
        )
        .bind(cursor.map(to_json).transpose()?)
        .bind(tick.flow.to_string())
        .bind(tick.step.as_str())
        .bind(tick.id.to_string())
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Replaces the cursor of a trigger without a pending tick, when it still is `seen`. Says whether it did.
    pub(super) async fn swap_cursor(
        &self,
        (flow, step): (FlowId, &StepId),
        seen: &Value,
        left: &Value,
    ) -> Outcome<bool> {
        let mut write = self.begin().await?;
        let found = sqlx::query("SELECT cursor FROM ticks WHERE flow = ? AND step = ? AND tick IS NULL")
            .bind(flow.to_string())
            .bind(step.as_str())
            .fetch_optional(&mut *write)
            .await?;
        let cursor: Option<Value> = match &found {
            Some(row) => maybe_json(row, "cursor")?,
            None => None,
        };
        if cursor.as_ref() != Some(seen) {
            return Ok(false);
        }
        sqlx::query("UPDATE ticks SET cursor = ? WHERE flow = ? AND step = ?")
            .bind(to_json(left)?)
            .bind(flow.to_string())
            .bind(step.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(true)
    }
}
