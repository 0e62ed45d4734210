//! Sessions of browsers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{KeptSession, Session, SessionId};
use sluice_ports::PortError;
use sluice_ports::store::SessionStore;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{json, maybe_time, to_json};
use crate::sqlite::SqliteStore;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn put_session(&self, session: &Session, now: DateTime<Utc>) -> Result<(), PortError> {
        let kept = self.insert_session(session, now).await;
        kept.map_err(|failure| failure.of(format!("keep session {}", session.id)))
    }

    async fn session(&self, id: SessionId) -> Result<Option<KeptSession>, PortError> {
        self.find_session(id).await.map_err(|failure| failure.of(format!("read session {id}")))
    }

    async fn sessions(&self) -> Result<Vec<KeptSession>, PortError> {
        self.list_sessions().await.map_err(|failure| failure.of("list sessions"))
    }

    async fn revoke_session(&self, id: SessionId, now: DateTime<Utc>) -> Result<(), PortError> {
        self.end_session(id, now).await.map_err(|failure| failure.of(format!("revoke session {id}")))
    }
}

impl SqliteStore {
    async fn insert_session(&self, session: &Session, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at <= ?")
            .bind(now.timestamp_millis())
            .execute(&mut *write)
            .await?;
        sqlx::query("INSERT INTO sessions VALUES (?, ?, ?, ?, NULL)")
            .bind(session.id.to_string())
            .bind(to_json(session)?)
            .bind(session.created_at.timestamp_millis())
            .bind(session.expires_at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn find_session(&self, id: SessionId) -> Outcome<Option<KeptSession>> {
        let found = sqlx::query("SELECT * FROM sessions WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(session).transpose()
    }

    async fn list_sessions(&self) -> Outcome<Vec<KeptSession>> {
        let rows =
            sqlx::query("SELECT * FROM sessions ORDER BY created_at, id").fetch_all(&self.readers).await?;
        rows.iter().map(session).collect()
    }

    async fn end_session(&self, id: SessionId, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        // A session that was revoked before keeps that time.
        let ended = sqlx::query("UPDATE sessions SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?")
            .bind(now.timestamp_millis())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        if ended.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such session"));
        }
        Ok(write.commit().await?)
    }
}

fn session(row: &SqliteRow) -> Outcome<KeptSession> {
    Ok(KeptSession { session: json(row, "doc")?, revoked_at: maybe_time(row, "revoked_at")? })
}
