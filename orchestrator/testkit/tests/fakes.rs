//! The fakes keep the contracts that the adapters keep.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ImageRef, Tier};
use sluice_ports::broker::Broker;
use sluice_ports::oauth::{CodeExchange, Endpoint, OAuth, Refresh};
use sluice_ports::runtime::{Image, Runtime};
use sluice_ports::store::Store;
use sluice_testkit::contract;
use sluice_testkit::fakes::{
    ManualClock, MemoryBroker, MemoryOAuth, MemoryRuntime, MemoryStore, MemoryVault,
};
use sluice_testkit::fixtures::endpoint;

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

#[tokio::test]
async fn the_memory_broker_tells_of_its_queues() {
    let broker = MemoryBroker::default();
    contract::watch::suite(&broker, &broker).await;
}

#[test]
fn the_memory_vault_keeps_the_contract() {
    contract::vault::suite(&MemoryVault::default());
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

#[derive(Default)]
struct Providers {
    oauth: Arc<MemoryOAuth>,
    codes: AtomicU64,
}

#[async_trait]
impl contract::oauth::OAuthHarness for Providers {
    fn oauth(&self) -> Arc<dyn OAuth> {
        self.oauth.clone()
    }

    fn tokens(&self) -> Endpoint {
        endpoint("https://login.example/token")
    }

    fn devices(&self) -> Endpoint {
        endpoint("https://login.example/device")
    }

    fn revocations(&self) -> Endpoint {
        endpoint("https://login.example/revoke")
    }

    async fn code(&self, challenge: Option<&str>, redirect_uri: &str) -> SecretString {
        let code = format!("code-{}", self.codes.fetch_add(1, Ordering::SeqCst));
        self.oauth.grant(&code, challenge, redirect_uri);
        SecretString::from(code)
    }

    async fn decide(&self, user_code: &str, agreed: bool) {
        if agreed { self.oauth.approve(user_code) } else { self.oauth.deny(user_code) }
    }

    async fn set_down(&self, down: bool) {
        self.oauth.set_down(down);
    }
}

#[tokio::test]
async fn the_memory_provider_keeps_the_contract() {
    let providers = Providers::default();
    contract::oauth::suite(&providers).await;
    let asked = providers.oauth.asked();
    assert_eq!((asked.refreshes, asked.device_starts, asked.revocations), (7, 2, 2));
}

#[tokio::test]
async fn the_levers_of_the_memory_provider_work() {
    let oauth = MemoryOAuth::default();
    let tokens = endpoint("https://login.example/token");
    oauth.grant("c", None, "r");
    let exchange = CodeExchange {
        endpoint: tokens.clone(),
        code: SecretString::from("c"),
        verifier: None,
        redirect_uri: "r".to_owned(),
    };
    let first = oauth.exchange(&exchange).await.unwrap();
    assert!(oauth.accepts(first.access.expose_secret()));
    let refresh = Refresh { endpoint: tokens, token: first.refresh.unwrap() };
    oauth.set_dead(true);
    assert!(oauth.refresh(&refresh).await.unwrap_err().is_grant_dead());
    oauth.set_dead(false);
    oauth.set_rotating(false);
    oauth.set_expires_in(Some(Duration::from_secs(5)));
    oauth.set_held(true);
    let mut asking = std::pin::pin!(oauth.refresh(&refresh));
    assert!(asking.as_mut().now_or_never().is_none(), "the answer is held back");
    assert_eq!(oauth.asked().refreshes, 2, "and counted");
    oauth.set_held(false);
    let second = asking.await.unwrap();
    assert_eq!((second.refresh.is_some(), second.expires_in), (false, Some(Duration::from_secs(5))));
    oauth.refresh(&refresh).await.expect("without rotation the old one goes on working");
}
