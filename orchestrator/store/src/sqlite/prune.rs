//! Deleting old history, in chunks: each is one transaction, so that the recorder waits for a chunk at most.

use chrono::{DateTime, Utc};
use sluice_ports::store::Retention;
use sqlx::QueryBuilder;
use sqlx::sqlite::Sqlite;

use crate::failure::Outcome;
use crate::row::{get, to_count, to_json};
use crate::sqlite::SqliteStore;

/// Executions in one transaction.
const CHUNK: u32 = 500;

impl SqliteStore {
    pub(super) async fn prune_history(&self, retention: Retention, now: DateTime<Utc>) -> Outcome<u64> {
        let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.timestamp_millis().saturating_sub(age);
        let mut pruned = 0;
        // Nothing happens in an execution before it starts, so the index on the start finds the candidates.
        pruned += self
            .delete_executions(|query| {
                query.push("started_at < ").push_bind(oldest).push(" AND updated_at < ").push_bind(oldest);
            })
            .await?;
        for (flow, started_at, id) in self.last_to_keep(retention.count).await? {
            pruned += self
                .delete_executions(|query| {
                    query.push("flow = ").push_bind(flow.clone()).push(" AND (started_at, id) < (");
                    query.push_bind(started_at).push(", ").push_bind(id.clone()).push(")");
                })
                .await?;
        }
        Ok(pruned)
    }

    /// For each flow with more than `count` executions, the oldest one that stays.
    async fn last_to_keep(&self, count: u64) -> Outcome<Vec<(String, i64, String)>> {
        let crowded = sqlx::query("SELECT flow FROM executions GROUP BY flow HAVING count(*) > ?")
            .bind(to_count(count))
            .fetch_all(&self.readers)
            .await?;
        let mut kept = Vec::new();
        for row in &crowded {
            let flow: String = get(row, "flow")?;
            let Some(offset) = count.checked_sub(1) else {
                // Nothing stays. No id is greater than this one.
                kept.push((flow, i64::MAX, "~".to_owned()));
                continue;
            };
            let last = sqlx::query(
                "SELECT started_at, id FROM executions WHERE flow = ? ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET ?",
            )
            .bind(&flow)
            .bind(to_count(offset))
            .fetch_optional(&self.readers)
            .await?;
            if let Some(row) = last {
                kept.push((flow, get(&row, "started_at")?, get(&row, "id")?));
            }
        }
        Ok(kept)
    }

    /// Deletes the executions that fit, with all that belongs to them.
    async fn delete_executions(&self, condition: impl Fn(&mut QueryBuilder<Sqlite>)) -> Outcome<u64> {
        let mut deleted = 0;
        loop {
            let mut write = self.begin().await?;
            let mut query = QueryBuilder::new("SELECT id FROM executions WHERE ");
            condition(&mut query);
            query.push(" LIMIT ").push_bind(CHUNK);
            let ids: Vec<String> = query.build_query_scalar().fetch_all(&mut *write).await?;
            if ids.is_empty() {
                return Ok(deleted);
            }
            let list = to_json(&ids)?;
            for statement in [
                "DELETE FROM step_runs WHERE execution IN (SELECT value FROM json_each(?))",
                "DELETE FROM retries WHERE execution IN (SELECT value FROM json_each(?))",
                "DELETE FROM executions WHERE id IN (SELECT value FROM json_each(?))",
            ] {
                sqlx::query(statement).bind(&list).execute(&mut *write).await?;
            }
            write.commit().await?;
            deleted += ids.len() as u64;
        }
    }
}
