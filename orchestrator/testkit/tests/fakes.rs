//! The fakes keep the contracts that the adapters keep.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::sync::Arc;

use async_trait::async_trait;
use sluice_domain::{ImageRef, Tier};
use sluice_ports::broker::Broker;
use sluice_ports::runtime::{Image, Runtime};
use sluice_ports::store::Store;
use sluice_testkit::contract;
use sluice_testkit::fakes::{ManualClock, MemoryBroker, MemoryRuntime, MemoryStore, MemoryVault};

struct Containers(Arc<MemoryRuntime>);

impl contract::runtime::RuntimeHarness for Containers {
    fn runtime(&self) -> Arc<dyn Runtime> {
        self.0.clone()
    }

    fn image(&self) -> ImageRef {
        "sluice/echo:1".parse().unwrap()
    }

    fn prefix(&self) -> String {
        "fake".to_owned()
    }
}

#[tokio::test]
async fn the_memory_runtime_keeps_the_contract() {
    let runtime = MemoryRuntime::new(Arc::new(ManualClock::default()));
    let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    runtime.add_image("sluice/echo:1".parse().unwrap(), Image { digest, descriptor: None });
    contract::runtime::suite(&Containers(Arc::new(runtime))).await;
}

#[test]
fn the_memory_vault_keeps_the_contract() {
    contract::vault::suite(&MemoryVault);
}

struct Queues(Arc<MemoryBroker>);

#[async_trait]
impl contract::broker::BrokerHarness for Queues {
    fn broker(&self) -> Arc<dyn Broker> {
        self.0.clone()
    }

    async fn drop_connections(&self) {
        self.0.drop_connections();
    }

    async fn pass(&self, tier: Tier) {
        self.0.advance_tier(tier);
    }
}

#[tokio::test]
async fn the_memory_broker_keeps_the_contract() {
    contract::broker::suite(&Queues(Arc::default())).await;
}

struct Stores;

#[async_trait]
impl contract::store::StoreHarness for Stores {
    async fn store(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::default())
    }
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    contract::store::suite(&Stores).await;
}
