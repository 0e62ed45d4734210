//! The store keeps its contract.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sluice_ports::store::Store;
use sluice_store::{FileVault, SqliteStore};
use sluice_testkit::contract;
use tempfile::TempDir;

/// Each store has a folder of its own, which goes with the harness.
#[derive(Default)]
struct Stores(Mutex<Vec<TempDir>>);

#[async_trait]
impl contract::store::StoreHarness for Stores {
    async fn store(&self) -> Arc<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("sluice.db")).await.unwrap();
        self.0.lock().unwrap().push(folder);
        Arc::new(store)
    }
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    contract::store::suite(&Stores::default()).await;
}

#[test]
fn the_file_vault_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract::vault::suite(&FileVault::open(&folder.path().join("keys")).unwrap());
}
