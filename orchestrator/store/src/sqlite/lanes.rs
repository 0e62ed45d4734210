//! The lanes that steps have of their own.

use sluice_domain::topology::LaneName;

use crate::failure::Outcome;
use crate::row::parsed;
use crate::sqlite::SqliteStore;

impl SqliteStore {
    pub(super) async fn list_lanes(&self) -> Outcome<Vec<LaneName>> {
        let rows = sqlx::query("SELECT name FROM lanes ORDER BY name").fetch_all(&self.readers).await?;
        rows.iter().map(|row| parsed(row, "name")).collect()
    }

    pub(super) async fn insert_lane(&self, lane: &LaneName) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO lanes VALUES (?) ON CONFLICT DO NOTHING")
            .bind(lane.as_str())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    pub(super) async fn delete_lane(&self, lane: &LaneName) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("DELETE FROM lanes WHERE name = ?").bind(lane.as_str()).execute(&mut *write).await?;
        Ok(write.commit().await?)
    }
}
