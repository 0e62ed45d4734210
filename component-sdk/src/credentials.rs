//! The settings and secrets of an instance, as a function reads them.
//!
//! They are fetched when a run asks, kept for at most 30 seconds and only while the orchestrator names no other revision, and
//! never logged: neither the cache nor the typed form prints its content.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluice_protocol::gateway;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Error;

/// How long fetched credentials are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(30);

/// The settings and secrets of an instance in the author's own types.
pub struct Credentials<Settings, Secrets> {
    /// Changes whenever the settings or secrets do: what was built from them is to be built anew then.
    pub version: u64,
    /// Plain settings.
    pub settings: Settings,
    /// Secrets.
    pub secrets: Secrets,
}

impl<Settings, Secrets> fmt::Debug for Credentials<Settings, Secrets> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Where credentials come from: the gateway, or a test.
#[async_trait]
pub(crate) trait CredentialSource: Send + Sync {
    async fn fetch(&self, instance: &str) -> Result<gateway::Credentials, Error>;

    /// Credentials other than those of the version that was refused; none when nothing can be refreshed.
    async fn refresh(&self, instance: &str, refused: u64) -> Result<Option<gateway::Credentials>, Error>;
}

/// Fetched credentials by instance.
pub(crate) struct CredentialCache {
    source: Arc<dyn CredentialSource>,
    /// The revisions that the assignments name.
    assigned: std::sync::Mutex<HashMap<String, u64>>,
    fetched: Mutex<HashMap<String, Arc<Mutex<Option<Entry>>>>>,
}

#[derive(Clone)]
struct Entry {
    at: Instant,
    credentials: Arc<gateway::Credentials>,
}

impl CredentialCache {
    pub(crate) fn new(source: Arc<dyn CredentialSource>) -> Self {
        Self { source, assigned: std::sync::Mutex::default(), fetched: Mutex::default() }
    }

    /// The credentials of an instance; a step without one gets empty settings and secrets. What is kept counts only if it
    /// is of the named revision, or of the assigned one when none is named.
    pub(crate) async fn get<S: DeserializeOwned, C: DeserializeOwned>(
        &self,
        instance: Option<&str>,
        revision: Option<u64>,
    ) -> Result<Credentials<S, C>, Error> {
        match instance {
            None => typed(0, &Map::new(), &Map::new()),
            Some(instance) => {
                let raw = self.raw(instance, revision).await?;
                typed(raw.version, &raw.settings, &raw.secrets)
            }
        }
    }

    /// Notes which revision each instance of the assignments has: what is kept of another one is not used any more.
    pub(crate) fn assign(&self, revisions: HashMap<String, u64>) {
        *self.assigned.lock().unwrap_or_else(PoisonError::into_inner) = revisions;
    }

    /// Forgets what is kept of an instance, so that the next run fetches it.
    pub(crate) async fn forget(&self, instance: &str) {
        self.fetched.lock().await.remove(instance);
    }

    /// Replaces what is kept of an instance, unless it is newer than what was refused already. True when there is
    /// something else now.
    pub(crate) async fn refresh(&self, instance: &str, refused: u64) -> Result<bool, Error> {
        let slot = Arc::clone(self.fetched.lock().await.entry(instance.to_owned()).or_default());
        // Many runs may be refused at once: the first refreshes, the others find that it is done.
        let mut entry = slot.lock().await;
        let known = entry.as_ref().filter(|known| known.at.elapsed() < FRESH);
        if known.is_some_and(|known| known.credentials.version != refused) {
            return Ok(true);
        }
        *entry = None;
        let Some(credentials) = self.source.refresh(instance, refused).await? else { return Ok(false) };
        let changed = credentials.version != refused;
        *entry = Some(Entry { at: Instant::now(), credentials: Arc::new(credentials) });
        Ok(changed)
    }

    fn assigned(&self, instance: &str) -> Option<u64> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner).get(instance).copied()
    }

    async fn raw(&self, instance: &str, revision: Option<u64>) -> Result<Arc<gateway::Credentials>, Error> {
        let slot = Arc::clone(self.fetched.lock().await.entry(instance.to_owned()).or_default());
        // One fetch per instance at a time: the others wait for its answer.
        let mut entry = slot.lock().await;
        let known = entry.as_ref().filter(|known| known.at.elapsed() < FRESH);
        // Of another revision: somebody changed the instance since.
        let revision = revision.or_else(|| self.assigned(instance));
        if let Some(known) =
            known.filter(|known| revision.is_none_or(|one| one == known.credentials.revision))
        {
            return Ok(Arc::clone(&known.credentials));
        }
        let credentials = Arc::new(self.source.fetch(instance).await?);
        *entry = Some(Entry { at: Instant::now(), credentials: Arc::clone(&credentials) });
        Ok(credentials)
    }
}

fn typed<S: DeserializeOwned, C: DeserializeOwned>(
    version: u64,
    settings: &Map<String, Value>,
    secrets: &Map<String, Value>,
) -> Result<Credentials<S, C>, Error> {
    let settings = serde_json::from_value(Value::Object(settings.clone())).map_err(|error| {
        Error::fatal("bad_settings", format_args!("the instance's settings do not fit: {error}"))
    })?;
    // The parser's message may quote a value, so of secrets it is not repeated.
    let secrets = serde_json::from_value(Value::Object(secrets.clone())).map_err(|_| {
        Error::fatal("bad_secrets", "the instance's secrets do not fit the component's schema")
    })?;
    Ok(Credentials { version, settings, secrets })
}

#[cfg(test)]
mod tests;
