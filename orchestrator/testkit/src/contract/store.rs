//! The contract of [`Store`].

mod authorizations;
mod catalogue;
mod containers;
mod dead_letters;
mod events;
mod flows;
mod history;
mod hooks;
mod keys;
mod prune;
mod sessions;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use sluice_ports::store::Store;

/// Makes stores to try the contract on.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// A new empty store.
    async fn store(&self) -> Arc<dyn Store>;
}

/// Runs the whole contract.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn suite(harness: &dyn StoreHarness) {
    catalogue::suite(harness).await;
    authorizations::suite(harness).await;
    flows::suite(harness).await;
    history::suite(harness).await;
    prune::suite(harness).await;
    dead_letters::suite(harness).await;
    tokens::suite(harness).await;
    sessions::suite(harness).await;
    containers::suite(harness).await;
    hooks::suite(harness).await;
    keys::suite(harness).await;
    events::suite(harness).await;
}
