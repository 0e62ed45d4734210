//! Authorisations and attempts at them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::InstanceName;
use sluice_ports::PortError;
use sluice_ports::store::{AuthorizationAttempt, AuthorizationStore, StoredAuthorization};

use super::MemoryStore;

#[async_trait]
impl AuthorizationStore for MemoryStore {
    async fn authorization(&self, instance: &InstanceName) -> Result<Option<StoredAuthorization>, PortError> {
        Ok(self.read("read an authorisation")?.authorizations.get(instance).cloned())
    }

    async fn authorizations(&self) -> Result<Vec<StoredAuthorization>, PortError> {
        Ok(self.read("list authorisations")?.authorizations.values().cloned().collect())
    }

    async fn put_authorization(&self, authorization: &StoredAuthorization) -> Result<(), PortError> {
        let operation = format!("keep the authorisation of instance {}", authorization.instance);
        let mut state = self.write(&operation)?;
        if !state.instances.contains_key(&authorization.instance) {
            return Err(PortError::not_found(operation));
        }
        let before = state.authorizations.get(&authorization.instance);
        if before.map_or(0, |known| known.version) + 1 != authorization.version {
            return Err(PortError::conflict(operation));
        }
        if let Some(what) = authorization.event(before) {
            state.happened(authorization.updated_at, what);
        }
        state.authorizations.insert(authorization.instance.clone(), authorization.clone());
        Ok(())
    }

    async fn begin_attempt(
        &self,
        attempt: &AuthorizationAttempt,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let operation = format!("begin to authorise instance {}", attempt.instance);
        let mut state = self.write(&operation)?;
        if !state.instances.contains_key(&attempt.instance) {
            return Err(PortError::not_found(operation));
        }
        state.attempts.retain(|_, known| known.expires_at > now);
        state.attempts.insert(attempt.state, attempt.clone());
        Ok(())
    }

    async fn bind_attempt(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError> {
        let mut all = self.write("bind an authorisation")?;
        let open = |known: &&mut AuthorizationAttempt| known.browser.is_none() && known.expires_at > now;
        let Some(attempt) = all.attempts.get_mut(state).filter(open) else { return Ok(None) };
        attempt.browser = Some(*browser);
        Ok(Some(attempt.clone()))
    }

    async fn take_attempt(
        &self,
        state: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError> {
        let taken = self.write("finish an authorisation")?.attempts.remove(state);
        Ok(taken.filter(|attempt| attempt.expires_at > now))
    }
}
