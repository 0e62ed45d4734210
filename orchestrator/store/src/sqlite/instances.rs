//! Instances and their sealed secrets.

use std::collections::BTreeMap;

use sluice_domain::{Instance, InstanceName};
use sluice_ports::SealedSecret;
use sluice_ports::store::StoredInstance;

use crate::failure::{Failure, Outcome};
use crate::row::{get, json, to_json};
use crate::sqlite::SqliteStore;

impl SqliteStore {
    pub(super) async fn upsert_instance(&self, stored: &StoredInstance) -> Outcome<()> {
        let name = stored.instance.name.as_str();
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO instances VALUES (?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc")
            .bind(name)
            .bind(to_json(&stored.instance)?)
            .execute(&mut *write)
            .await?;
        sqlx::query("DELETE FROM instance_secrets WHERE instance = ?")
            .bind(name)
            .execute(&mut *write)
            .await?;
        for (field, secret) in &stored.secrets {
            sqlx::query("INSERT INTO instance_secrets VALUES (?, ?, ?, ?)")
                .bind(name)
                .bind(field)
                .bind(&secret.key_id)
                .bind(&secret.sealed)
                .execute(&mut *write)
                .await?;
        }
        Ok(write.commit().await?)
    }

    pub(super) async fn find_instance(&self, name: &InstanceName) -> Outcome<Option<StoredInstance>> {
        // One snapshot, so that settings and secrets belong together.
        let mut read = self.readers.begin().await?;
        let found = sqlx::query("SELECT doc FROM instances WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&mut *read)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let rows = sqlx::query("SELECT field, key_id, sealed FROM instance_secrets WHERE instance = ?")
            .bind(name.as_str())
            .fetch_all(&mut *read)
            .await?;
        let mut secrets = BTreeMap::new();
        for row in &rows {
            let secret = SealedSecret { key_id: get(row, "key_id")?, sealed: get(row, "sealed")? };
            secrets.insert(get(row, "field")?, secret);
        }
        Ok(Some(StoredInstance { instance: json(&row, "doc")?, secrets }))
    }

    pub(super) async fn list_instances(&self) -> Outcome<Vec<Instance>> {
        let rows = sqlx::query("SELECT doc FROM instances ORDER BY name").fetch_all(&self.readers).await?;
        rows.iter().map(|row| json(row, "doc")).collect()
    }

    pub(super) async fn delete_instance(&self, name: &InstanceName) -> Outcome<()> {
        let mut write = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM instances WHERE name = ?")
            .bind(name.as_str())
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such instance"));
        }
        Ok(write.commit().await?)
    }
}
