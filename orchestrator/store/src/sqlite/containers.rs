//! Container starts.

use async_trait::async_trait;
use sluice_domain::{ContainerStart, ContainerStartId};
use sluice_ports::PortError;
use sluice_ports::store::ContainerStore;
use sqlx::sqlite::SqliteRow;

use crate::failure::Outcome;
use crate::row::{hash, parsed, time};
use crate::sqlite::SqliteStore;

#[async_trait]
impl ContainerStore for SqliteStore {
    async fn put_start(&self, start: &ContainerStart) -> Result<(), PortError> {
        self.insert_start(start).await.map_err(|failure| failure.of(format!("keep start {}", start.id)))
    }

    async fn start_by_token(&self, hash: &[u8; 32]) -> Result<Option<ContainerStart>, PortError> {
        self.find_start(hash).await.map_err(|failure| failure.of("find a start by its token"))
    }

    async fn remove_start(&self, id: ContainerStartId) -> Result<(), PortError> {
        self.delete_start(id).await.map_err(|failure| failure.of(format!("forget start {id}")))
    }

    async fn starts(&self) -> Result<Vec<ContainerStart>, PortError> {
        self.list_starts().await.map_err(|failure| failure.of("list starts"))
    }
}

impl SqliteStore {
    async fn insert_start(&self, kept: &ContainerStart) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "INSERT INTO container_starts VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
             SET deployment = excluded.deployment, token_hash = excluded.token_hash, started_at = excluded.started_at",
        )
        .bind(kept.id.to_string())
        .bind(kept.deployment.to_string())
        .bind(kept.token_hash.as_slice())
        .bind(kept.started_at.timestamp_millis())
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    async fn find_start(&self, hash: &[u8; 32]) -> Outcome<Option<ContainerStart>> {
        let found = sqlx::query("SELECT * FROM container_starts WHERE token_hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(start).transpose()
    }

    async fn delete_start(&self, id: ContainerStartId) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("DELETE FROM container_starts WHERE id = ?")
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn list_starts(&self) -> Outcome<Vec<ContainerStart>> {
        let all = "SELECT * FROM container_starts ORDER BY started_at, id";
        sqlx::query(all).fetch_all(&self.readers).await?.iter().map(start).collect()
    }
}

fn start(row: &SqliteRow) -> Outcome<ContainerStart> {
    Ok(ContainerStart {
        id: parsed(row, "id")?,
        deployment: parsed(row, "deployment")?,
        token_hash: hash(row, "token_hash")?,
        started_at: time(row, "started_at")?,
    })
}
