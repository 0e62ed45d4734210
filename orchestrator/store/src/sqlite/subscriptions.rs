//! What senders of webhooks were told.

use sluice_domain::{FlowId, StepId};
use sluice_ports::SealedSecret;
use sluice_ports::store::Subscription;
use sqlx::sqlite::SqliteRow;

use crate::failure::Outcome;
use crate::row::{get, parsed, time};
use crate::sqlite::SqliteStore;

impl SqliteStore {
    pub(super) async fn upsert_subscription(&self, new: &Subscription) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO hook_subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(new.flow.to_string())
            .bind(new.step.as_str())
            .bind(&new.fingerprint)
            .bind(new.instance.as_str())
            .bind(&new.unsubscribe)
            .bind(new.confirmed)
            .bind(&new.sealed.key_id)
            .bind(&new.sealed.sealed)
            .bind(new.created_at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Those of a flow, or all.
    pub(super) async fn list_subscriptions(&self, flow: Option<FlowId>) -> Outcome<Vec<Subscription>> {
        let query = match flow {
            Some(_) => "SELECT * FROM hook_subscriptions WHERE flow = ? ORDER BY step, fingerprint",
            None => "SELECT * FROM hook_subscriptions ORDER BY flow, step, fingerprint",
        };
        let query = sqlx::query(query);
        let query = match flow {
            Some(flow) => query.bind(flow.to_string()),
            None => query,
        };
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(subscription).collect()
    }

    pub(super) async fn delete_subscription(
        &self,
        flow: FlowId,
        step: &StepId,
        fingerprint: &str,
    ) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("DELETE FROM hook_subscriptions WHERE flow = ? AND step = ? AND fingerprint = ?")
            .bind(flow.to_string())
            .bind(step.as_str())
            .bind(fingerprint)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}

fn subscription(row: &SqliteRow) -> Outcome<Subscription> {
    Ok(Subscription {
        flow: parsed(row, "flow")?,
        step: parsed(row, "step")?,
        fingerprint: get(row, "fingerprint")?,
        instance: parsed(row, "instance")?,
        unsubscribe: get(row, "unsubscribe")?,
        confirmed: get(row, "confirmed")?,
        sealed: SealedSecret { key_id: get(row, "key_id")?, sealed: get(row, "sealed")? },
        created_at: time(row, "created_at")?,
    })
}
