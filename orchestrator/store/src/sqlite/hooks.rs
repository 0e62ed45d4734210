//! The keys of webhooks, and the deliveries that were taken.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{FlowId, StepId};
use sluice_ports::store::{HookKey, HookStore, Subscription};
use sluice_ports::{PortError, SealedSecret};
use sluice_protocol::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

use crate::failure::{Failure, Outcome};
use crate::row::{get, hash, maybe_time, parsed, time};
use crate::sqlite::SqliteStore;

/// Deliveries that are deleted in one transaction.
const CHUNK: u32 = 5_000;

#[async_trait]
impl HookStore for SqliteStore {
    async fn put_first_hook_key(&self, key: &HookKey) -> Result<bool, PortError> {
        let operation = || format!("keep the key of {}/{}", key.flow, key.step);
        self.insert_first_key(key).await.map_err(|failure| failure.of(operation()))
    }

    async fn rotate_hook_key(&self, key: &HookKey, retire: DateTime<Utc>) -> Result<(), PortError> {
        let operation = || format!("rotate the key of {}/{}", key.flow, key.step);
        self.replace_key(key, retire).await.map_err(|failure| failure.of(operation()))
    }

    async fn hook_key(&self, hash: &[u8; 32]) -> Result<Option<HookKey>, PortError> {
        self.find_key(hash).await.map_err(|failure| failure.of("find the key of a webhook"))
    }

    async fn hook_keys(&self, flow: FlowId) -> Result<Vec<HookKey>, PortError> {
        self.list_keys(flow).await.map_err(|failure| failure.of(format!("list the keys of {flow}")))
    }

    async fn revoke_hook_keys(
        &self,
        flow: FlowId,
        step: &StepId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let operation = || format!("revoke the keys of {flow}/{step}");
        self.end_keys(flow, step, now).await.map_err(|failure| failure.of(operation()))
    }

    async fn has_delivery(&self, flow: FlowId, step: &StepId, id: MessageId) -> Result<bool, PortError> {
        let found = self.find_delivery(flow, step, id).await;
        found.map_err(|failure| failure.of(format!("find a delivery of {flow}/{step}")))
    }

    async fn note_delivery(
        &self,
        flow: FlowId,
        step: &StepId,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        let noted = self.insert_delivery(flow, step, id, now).await;
        noted.map_err(|failure| failure.of(format!("note a delivery of {flow}/{step}")))
    }

    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), PortError> {
        let operation = || format!("keep the subscription of {}/{}", subscription.flow, subscription.step);
        self.upsert_subscription(subscription).await.map_err(|failure| failure.of(operation()))
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, PortError> {
        self.list_subscriptions(None).await.map_err(|failure| failure.of("list subscriptions"))
    }

    async fn subscriptions_of(&self, flow: FlowId) -> Result<Vec<Subscription>, PortError> {
        let listed = self.list_subscriptions(Some(flow)).await;
        listed.map_err(|failure| failure.of(format!("list the subscriptions of {flow}")))
    }

    async fn remove_subscription(
        &self,
        flow: FlowId,
        step: &StepId,
        fingerprint: &str,
    ) -> Result<(), PortError> {
        let removed = self.delete_subscription(flow, step, fingerprint).await;
        removed.map_err(|failure| failure.of(format!("forget the subscription of {flow}/{step}")))
    }

    async fn prune_hooks(&self, oldest: DateTime<Utc>) -> Result<u64, PortError> {
        self.delete_old_hooks(oldest).await.map_err(|failure| failure.of("forget old deliveries"))
    }
}

impl SqliteStore {
    async fn insert_first_key(&self, key: &HookKey) -> Outcome<bool> {
        let mut write = self.begin().await?;
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM hook_keys WHERE flow = ? AND step = ?")
            .bind(key.flow.to_string())
            .bind(key.step.as_str())
            .fetch_one(&mut *write)
            .await?;
        if there > 0 {
            return Ok(false);
        }
        insert(&mut write, key).await?;
        write.commit().await?;
        Ok(true)
    }

    async fn replace_key(&self, key: &HookKey, retire: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        end(&mut write, (key.flow, &key.step), retire).await?;
        insert(&mut write, key).await?;
        Ok(write.commit().await?)
    }

    async fn find_key(&self, hash: &[u8; 32]) -> Outcome<Option<HookKey>> {
        let found = sqlx::query("SELECT * FROM hook_keys WHERE hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(key).transpose()
    }

    async fn list_keys(&self, flow: FlowId) -> Outcome<Vec<HookKey>> {
        let rows = sqlx::query("SELECT * FROM hook_keys WHERE flow = ? ORDER BY step, id DESC")
            .bind(flow.to_string())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(key).collect()
    }

    async fn end_keys(&self, flow: FlowId, step: &StepId, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        if end(&mut write, (flow, step), now).await? == 0 {
            return Err(Failure::NotFound("the step never had a key"));
        }
        Ok(write.commit().await?)
    }

    async fn find_delivery(&self, flow: FlowId, step: &StepId, id: MessageId) -> Outcome<bool> {
        let found = sqlx::query("SELECT 1 FROM hook_deliveries WHERE flow = ? AND step = ? AND id = ?")
            .bind(flow.to_string())
            .bind(step.as_str())
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.is_some())
    }

    async fn insert_delivery(
        &self,
        flow: FlowId,
        step: &StepId,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Outcome<bool> {
        let mut write = self.begin().await?;
        let inserted = sqlx::query("INSERT INTO hook_deliveries VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(flow.to_string())
            .bind(step.as_str())
            .bind(id.to_string())
            .bind(now.timestamp_millis())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn delete_old_hooks(&self, oldest: DateTime<Utc>) -> Outcome<u64> {
        let oldest = oldest.timestamp_millis();
        let mut write = self.begin().await?;
        sqlx::query(
            "DELETE FROM hook_keys WHERE retires_at < ?
             AND id NOT IN (SELECT max(id) FROM hook_keys GROUP BY flow, step)",
        )
        .bind(oldest)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        let mut deleted = 0;
        loop {
            let mut write = self.begin().await?;
            let gone = sqlx::query(
                "DELETE FROM hook_deliveries WHERE (flow, step, id) IN
                 (SELECT flow, step, id FROM hook_deliveries WHERE seen_at < ? LIMIT ?)",
            )
            .bind(oldest)
            .bind(CHUNK)
            .execute(&mut *write)
            .await?;
            write.commit().await?;
            deleted += gone.rows_affected();
            if gone.rows_affected() < u64::from(CHUNK) {
                return Ok(deleted);
            }
        }
    }
}

async fn insert(write: &mut Transaction<'_, Sqlite>, key: &HookKey) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO hook_keys (flow, step, hash, key_id, sealed, created_at, retires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.flow.to_string())
    .bind(key.step.as_str())
    .bind(key.hash.as_slice())
    .bind(&key.sealed.key_id)
    .bind(&key.sealed.sealed)
    .bind(key.created_at.timestamp_millis())
    .bind(key.retires_at.map(|time| time.timestamp_millis()))
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Ends all keys of a step, and says how many there are.
async fn end(
    write: &mut Transaction<'_, Sqlite>,
    (flow, step): (FlowId, &StepId),
    at: DateTime<Utc>,
) -> Outcome<u64> {
    let ended = sqlx::query(
        "UPDATE hook_keys SET retires_at = min(coalesce(retires_at, ?1), ?1) WHERE flow = ?2 AND step = ?3",
    )
    .bind(at.timestamp_millis())
    .bind(flow.to_string())
    .bind(step.as_str())
    .execute(&mut **write)
    .await?;
    Ok(ended.rows_affected())
}

fn key(row: &SqliteRow) -> Outcome<HookKey> {
    Ok(HookKey {
        flow: parsed(row, "flow")?,
        step: parsed(row, "step")?,
        hash: hash(row, "hash")?,
        sealed: SealedSecret { key_id: get(row, "key_id")?, sealed: get(row, "sealed")? },
        created_at: time(row, "created_at")?,
        retires_at: maybe_time(row, "retires_at")?,
    })
}
