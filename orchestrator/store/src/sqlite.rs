//! The store in one SQLite file.
//!
//! Writes go through a pool of one connection, each in one `BEGIN IMMEDIATE` transaction. Reads have connections of their
//! own, so that a long list never waits for a writer nor holds one up.

mod authorizations;
mod catalogue;
mod containers;
mod dead_letters;
mod events;
mod flow_versions;
mod flows;
mod history;
mod hooks;
mod instances;
mod keys;
mod lanes;
mod open;
mod prune;
mod record;
mod releases;
mod sessions;
mod states;
mod step_runs;
mod subscriptions;
mod templates;
mod ticks;
mod tokens;

use std::fs::File;

use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use crate::failure::Outcome;

pub use open::OpenError;

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Held for as long as the store is open, so that there is one process only.
    _lock: File,
}

impl SqliteStore {
    /// Begins to write. What is not committed is rolled back when the transaction is dropped.
    async fn begin(&self) -> Outcome<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Closes the store: waits for what is under way and writes the log back into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use sluice_ports::store::DeadLetterStore;
    use sluice_testkit::fixtures::dead_letter;

    use super::SqliteStore;

    /// Limits the file on the one connection that writes, as a disk without room does; 0 lifts nothing.
    async fn limit(store: &SqliteStore, pages: u32) {
        let statement = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(statement).execute(&store.writer).await.unwrap();
    }

    #[tokio::test]
    async fn connections_that_read_keep_less_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("sluice.db")).await.unwrap();
        let kept =
            async |pool| sqlx::query_scalar::<_, i64>("PRAGMA cache_size").fetch_one(pool).await.unwrap();
        assert_eq!((kept(&store.writer).await, kept(&store.readers).await), (-32768, -4096));
        store.close().await;
    }

    #[tokio::test]
    async fn a_store_without_room_takes_writes_again_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("sluice.db")).await.unwrap();
        limit(&store, 1).await;
        let mut refused = None;
        for number in 0..1000 {
            if let Err(error) = store.put_dead_letters(&[dead_letter(number)]).await {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.expect("a file that cannot grow is full some time");
        assert!(refused.is_transient(), "{refused:?}");
        limit(&store, u32::MAX - 1).await;
        store.put_dead_letters(&[dead_letter(2000)]).await.unwrap();
        store.close().await;
    }
}
