//! What is kept, and what is asked for anew.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use sluice_protocol::Status;

use super::*;

/// Counts what it is asked; each refresh gives the next version.
#[derive(Default)]
struct Scripted {
    version: AtomicU64,
    revision: AtomicU64,
    fetches: AtomicU64,
    refused: Mutex<Vec<u64>>,
    parked: std::sync::atomic::AtomicBool,
}

impl Scripted {
    fn credentials(&self) -> gateway::Credentials {
        let version = self.version.load(Ordering::SeqCst) + 1;
        let secrets = json!({ "access_token": format!("token-{version}") });
        gateway::Credentials {
            version,
            revision: self.revision.load(Ordering::SeqCst),
            settings: Map::new(),
            secrets: secrets.as_object().cloned().unwrap_or_default(),
        }
    }
}

#[async_trait]
impl CredentialSource for Arc<Scripted> {
    async fn fetch(&self, _: &str) -> Result<gateway::Credentials, Error> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Ok(self.credentials())
    }

    async fn refresh(&self, _: &str, refused: u64) -> Result<Option<gateway::Credentials>, Error> {
        self.refused.lock().unwrap().push(refused);
        // The others get their chance to ask as well.
        tokio::task::yield_now().await;
        if self.parked.load(Ordering::SeqCst) {
            return Err(Error::parked("needs_reauth", "ask somebody"));
        }
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(Some(self.credentials()))
    }
}

fn cache() -> (Arc<Scripted>, CredentialCache) {
    let source = Arc::new(Scripted::default());
    (Arc::clone(&source), CredentialCache::new(Arc::new(source)))
}

async fn token(cache: &CredentialCache) -> Value {
    token_of(cache, None).await
}

async fn token_of(cache: &CredentialCache, revision: Option<u64>) -> Value {
    let got: Credentials<Value, Value> = cache.get(Some("inst"), revision).await.unwrap();
    got.secrets["access_token"].clone()
}

#[tokio::test(start_paused = true)]
async fn what_a_person_changed_is_fetched_at_once() {
    let (source, cache) = cache();
    assert_eq!(token_of(&cache, Some(0)).await, "token-1");
    source.version.store(6, Ordering::SeqCst);
    source.revision.store(1, Ordering::SeqCst);
    assert_eq!(token_of(&cache, Some(0)).await, "token-1", "nobody said that it changed");
    assert_eq!(token_of(&cache, Some(1)).await, "token-7");
    assert_eq!(token_of(&cache, Some(1)).await, "token-7");
    assert_eq!(source.fetches.load(Ordering::SeqCst), 2);

    let assign = |revision| cache.assign(HashMap::from([("inst".to_owned(), revision)]));
    assign(1);
    assert_eq!(token(&cache).await, "token-7");
    source.version.store(8, Ordering::SeqCst);
    source.revision.store(2, Ordering::SeqCst);
    assign(2);
    assert_eq!(token(&cache).await, "token-9");
    assert_eq!(token(&cache).await, "token-9");
    assert_eq!(source.fetches.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_is_kept_for_a_while() {
    let (source, cache) = cache();
    assert_eq!(token(&cache).await, "token-1");
    assert_eq!(token(&cache).await, "token-1");
    assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
    tokio::time::advance(FRESH).await;
    token(&cache).await;
    assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn many_refusals_of_one_version_are_one_refresh() {
    let (source, cache) = cache();
    token(&cache).await;
    let all = (0..20).map(|_| cache.refresh("inst", 1));
    let done: Vec<_> = futures_util::future::join_all(all).await;
    assert!(done.iter().all(|one| one.as_ref().is_ok_and(|changed| *changed)), "{done:?}");
    assert_eq!(*source.refused.lock().unwrap(), [1]);
    assert_eq!(token(&cache).await, "token-2");
    assert_eq!(source.fetches.load(Ordering::SeqCst), 1, "the new ones came with the refresh");
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_forgets_what_was_kept() {
    let (source, cache) = cache();
    token(&cache).await;
    source.parked.store(true, Ordering::SeqCst);
    let error = cache.refresh("inst", 1).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Status::Parked, "needs_reauth"));
    token(&cache).await;
    assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
}
