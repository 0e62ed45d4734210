//! Events, and how far they were told.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Event, Happened};
use sluice_ports::PortError;
use sluice_ports::store::EventStore;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::failure::Outcome;
use crate::row::{count, json, time, to_count, to_json};
use crate::sqlite::SqliteStore;

#[async_trait]
impl EventStore for SqliteStore {
    async fn put_event(&self, at: DateTime<Utc>, what: &Happened) -> Result<(), PortError> {
        self.insert_event(at, what).await.map_err(|failure| failure.of("note an event"))
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, PortError> {
        self.list_events(after, limit).await.map_err(|failure| failure.of("list events"))
    }

    async fn last_event(&self) -> Result<u64, PortError> {
        self.newest_event().await.map_err(|failure| failure.of("find the newest event"))
    }

    async fn told(&self, whom: &str) -> Result<Option<u64>, PortError> {
        self.find_told(whom).await.map_err(|failure| failure.of(format!("find what {whom} was told")))
    }

    async fn put_told(&self, whom: &str, event: u64) -> Result<(), PortError> {
        self.upsert_told(whom, event)
            .await
            .map_err(|failure| failure.of(format!("note what {whom} was told")))
    }

    async fn prune_events(&self, keep: u64) -> Result<u64, PortError> {
        self.delete_events(keep).await.map_err(|failure| failure.of("forget old events"))
    }
}

/// Notes an event in the transaction of the change that it tells of.
pub(super) async fn note(write: &mut SqliteConnection, at: DateTime<Utc>, what: &Happened) -> Outcome<()> {
    sqlx::query("INSERT INTO events (at, doc) VALUES (?, ?)")
        .bind(at.timestamp_millis())
        .bind(to_json(what)?)
        .execute(write)
        .await?;
    Ok(())
}

impl SqliteStore {
    async fn insert_event(&self, at: DateTime<Utc>, what: &Happened) -> Outcome<()> {
        let mut write = self.begin().await?;
        note(&mut write, at, what).await?;
        Ok(write.commit().await?)
    }

    async fn list_events(&self, after: u64, limit: u32) -> Outcome<Vec<Event>> {
        let rows = sqlx::query("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?")
            .bind(to_count(after))
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(event).collect()
    }

    async fn newest_event(&self) -> Outcome<u64> {
        // What was pruned counts too.
        let newest: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
            .fetch_optional(&self.readers)
            .await?;
        Ok(newest.and_then(|newest| u64::try_from(newest).ok()).unwrap_or(0))
    }

    async fn find_told(&self, whom: &str) -> Outcome<Option<u64>> {
        let found = sqlx::query("SELECT event FROM told WHERE whom = ?")
            .bind(whom)
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(|row| count(row, "event")).transpose()
    }

    async fn upsert_told(&self, whom: &str, event: u64) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO told VALUES (?, ?) ON CONFLICT DO UPDATE SET event = excluded.event")
            .bind(whom)
            .bind(to_count(event))
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn delete_events(&self, keep: u64) -> Outcome<u64> {
        let mut write = self.begin().await?;
        let deleted = sqlx::query(
            "DELETE FROM events WHERE id <= (SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?)",
        )
        .bind(to_count(keep))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(deleted.rows_affected())
    }
}

fn event(row: &SqliteRow) -> Outcome<Event> {
    Ok(Event { id: count(row, "id")?, at: time(row, "at")?, what: json(row, "doc")? })
}
