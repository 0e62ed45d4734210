//! Data keys, and which keys seal what.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sluice_ports::store::{KeyStore, Slot};
use sluice_ports::{DataKey, PortError, SealedSecret};
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{get, hash, parsed, to_json};
use crate::sqlite::SqliteStore;

/// All that is sealed, by the keys that seal it.
const SEALING: &str = "
    SELECT key_id, count(*) AS uses FROM (
        SELECT key_id FROM instance_secrets
        UNION ALL SELECT access_key FROM authorizations WHERE access_key IS NOT NULL
        UNION ALL SELECT refresh_key FROM authorizations WHERE refresh_key IS NOT NULL
        UNION ALL SELECT verifier_key FROM authorization_attempts WHERE verifier_key IS NOT NULL
        UNION ALL SELECT key_id FROM hook_keys
        UNION ALL SELECT key_id FROM hook_subscriptions
    ) GROUP BY key_id";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn data_keys(&self) -> Result<Vec<DataKey>, PortError> {
        self.list_data_keys().await.map_err(|failure| failure.of("list data keys"))
    }

    async fn put_data_key(&self, key: &DataKey) -> Result<(), PortError> {
        self.upsert_data_key(key).await.map_err(|failure| failure.of(format!("keep data key {}", key.id)))
    }

    async fn remove_data_key(&self, id: &str) -> Result<(), PortError> {
        self.delete_data_key(id).await.map_err(|failure| failure.of(format!("remove data key {id}")))
    }

    async fn sealing_keys(&self) -> Result<BTreeMap<String, u64>, PortError> {
        self.count_sealed().await.map_err(|failure| failure.of("count what keys seal"))
    }

    async fn sealed_otherwise(
        &self,
        keys: &[String],
        limit: u32,
    ) -> Result<Vec<(Slot, SealedSecret)>, PortError> {
        let listed = self.list_sealed_otherwise(keys, limit).await;
        listed.map_err(|failure| failure.of("list what is sealed otherwise"))
    }

    async fn reseal(&self, slot: &Slot, old: &SealedSecret, new: &SealedSecret) -> Result<bool, PortError> {
        self.replace_sealed(slot, old, new).await.map_err(|failure| failure.of("seal a secret anew"))
    }
}

impl SqliteStore {
    async fn list_data_keys(&self) -> Outcome<Vec<DataKey>> {
        let rows = sqlx::query("SELECT * FROM data_keys ORDER BY seq").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok(DataKey { id: get(row, "id")?, tenant: get(row, "tenant")?, sealed: sealed(row)? }))
            .collect()
    }

    async fn upsert_data_key(&self, key: &DataKey) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "INSERT INTO data_keys (id, tenant, key_id, sealed) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed",
        )
        .bind(&key.id)
        .bind(&key.tenant)
        .bind(&key.sealed.key_id)
        .bind(&key.sealed.sealed)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    async fn delete_data_key(&self, id: &str) -> Outcome<()> {
        let mut write = self.begin().await?;
        let rows = sqlx::query(SEALING).fetch_all(&mut *write).await?;
        for row in &rows {
            if get::<&str>(row, "key_id")? == id {
                return Err(Failure::Conflict("secrets are sealed with it"));
            }
        }
        let deleted = sqlx::query("DELETE FROM data_keys WHERE id = ?").bind(id).execute(&mut *write).await?;
        if deleted.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such data key"));
        }
        Ok(write.commit().await?)
    }

    async fn count_sealed(&self) -> Outcome<BTreeMap<String, u64>> {
        let rows = sqlx::query(SEALING).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((get(row, "key_id")?, crate::row::count(row, "uses")?))).collect()
    }

    async fn list_sealed_otherwise(&self, keys: &[String], limit: u32) -> Outcome<Vec<(Slot, SealedSecret)>> {
        let keys = to_json(&keys)?;
        let mut found = Vec::new();
        for (query, slot) in [
            ("SELECT instance, field, key_id, sealed FROM instance_secrets", instance as fn(&SqliteRow) -> _),
            ("SELECT instance, access_key AS key_id, access AS sealed FROM authorizations", access),
            ("SELECT instance, refresh_key AS key_id, refresh AS sealed FROM authorizations", refresh),
            ("SELECT flow, step, hash, key_id, sealed FROM hook_keys", hook),
            ("SELECT flow, step, fingerprint, key_id, sealed FROM hook_subscriptions", subscription),
        ] {
            // A missing token has no key, and is not found.
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "SELECT * FROM ({query}) WHERE key_id NOT IN (SELECT value FROM json_each(?)) LIMIT ?"
            )))
            .bind(&keys)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
            for row in &rows {
                found.push((slot(row)?, sealed(row)?));
            }
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn replace_sealed(&self, slot: &Slot, old: &SealedSecret, new: &SealedSecret) -> Outcome<bool> {
        let query = match slot {
            Slot::Instance { .. } => {
                "UPDATE instance_secrets SET key_id = ?, sealed = ?
                 WHERE key_id = ? AND sealed = ? AND instance = ? AND field = ?"
            }
            Slot::Access(_) => {
                "UPDATE authorizations SET access_key = ?, access = ?
                 WHERE access_key = ? AND access = ? AND instance = ?"
            }
            Slot::Refresh(_) => {
                "UPDATE authorizations SET refresh_key = ?, refresh = ?
                 WHERE refresh_key = ? AND refresh = ? AND instance = ?"
            }
            Slot::Hook { .. } => {
                "UPDATE hook_keys SET key_id = ?, sealed = ?
                 WHERE key_id = ? AND sealed = ? AND flow = ? AND step = ? AND hash = ?"
            }
            Slot::Subscription { .. } => {
                "UPDATE hook_subscriptions SET key_id = ?, sealed = ?
                 WHERE key_id = ? AND sealed = ? AND flow = ? AND step = ? AND fingerprint = ?"
            }
        };
        let mut write = self.begin().await?;
        let query =
            sqlx::query(query).bind(&new.key_id).bind(&new.sealed).bind(&old.key_id).bind(&old.sealed);
        let query = match slot {
            Slot::Instance { instance, field } => query.bind(instance.as_str()).bind(field),
            Slot::Access(instance) | Slot::Refresh(instance) => query.bind(instance.as_str()),
            Slot::Hook { flow, step, hash } => {
                query.bind(flow.to_string()).bind(step.as_str()).bind(hash.as_slice())
            }
            Slot::Subscription { flow, step, fingerprint } => {
                query.bind(flow.to_string()).bind(step.as_str()).bind(fingerprint)
            }
        };
        let changed = query.execute(&mut *write).await?;
        write.commit().await?;
        Ok(changed.rows_affected() > 0)
    }
}

fn sealed(row: &SqliteRow) -> Outcome<SealedSecret> {
    Ok(SealedSecret { key_id: get(row, "key_id")?, sealed: get(row, "sealed")? })
}

fn instance(row: &SqliteRow) -> Outcome<Slot> {
    Ok(Slot::Instance { instance: parsed(row, "instance")?, field: get(row, "field")? })
}

fn access(row: &SqliteRow) -> Outcome<Slot> {
    Ok(Slot::Access(parsed(row, "instance")?))
}

fn refresh(row: &SqliteRow) -> Outcome<Slot> {
    Ok(Slot::Refresh(parsed(row, "instance")?))
}

fn hook(row: &SqliteRow) -> Outcome<Slot> {
    Ok(Slot::Hook { flow: parsed(row, "flow")?, step: parsed(row, "step")?, hash: hash(row, "hash")? })
}

fn subscription(row: &SqliteRow) -> Outcome<Slot> {
    let (flow, step) = (parsed(row, "flow")?, parsed(row, "step")?);
    Ok(Slot::Subscription { flow, step, fingerprint: get(row, "fingerprint")? })
}
