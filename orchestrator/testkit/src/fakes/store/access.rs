//! Tokens, sessions and container starts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{ApiToken, ContainerStart, ContainerStartId, KeptSession, Session, SessionId, TokenId};
use sluice_ports::PortError;
use sluice_ports::store::{ContainerStore, SessionStore, TokenStore};

use super::MemoryStore;

#[async_trait]
impl TokenStore for MemoryStore {
    async fn put_token(&self, token: &ApiToken) -> Result<(), PortError> {
        let operation = format!("keep token {}", token.id);
        let mut state = self.write(&operation)?;
        if state.tokens.values().any(|kept| kept.id == token.id || kept.hash == token.hash) {
            return Err(PortError::conflict(operation));
        }
        state.tokens.insert(token.id, token.clone());
        Ok(())
    }

    async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiToken>, PortError> {
        Ok(self.read("find a token")?.tokens.values().find(|token| token.hash == *hash).cloned())
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>, PortError> {
        let mut tokens: Vec<_> = self.read("list tokens")?.tokens.values().cloned().collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        Ok(tokens)
    }

    async fn revoke_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<(), PortError> {
        let operation = format!("revoke token {id}");
        let mut state = self.write(&operation)?;
        let token = state.tokens.get_mut(&id).ok_or_else(|| PortError::not_found(operation))?;
        token.revoked_at.get_or_insert(now);
        Ok(())
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn put_session(&self, session: &Session, now: DateTime<Utc>) -> Result<(), PortError> {
        let operation = format!("keep session {}", session.id);
        let mut state = self.write(&operation)?;
        state.sessions.retain(|_, kept| now < kept.session.expires_at);
        if state.sessions.contains_key(&session.id) {
            return Err(PortError::conflict(operation));
        }
        let kept = KeptSession { session: session.clone(), revoked_at: None };
        state.sessions.insert(session.id, kept);
        Ok(())
    }

    async fn session(&self, id: SessionId) -> Result<Option<KeptSession>, PortError> {
        Ok(self.read(format!("read session {id}"))?.sessions.get(&id).cloned())
    }

    async fn sessions(&self) -> Result<Vec<KeptSession>, PortError> {
        let mut sessions: Vec<_> = self.read("list sessions")?.sessions.values().cloned().collect();
        sessions.sort_by_key(|kept| (kept.session.created_at, kept.session.id));
        Ok(sessions)
    }

    async fn revoke_session(&self, id: SessionId, now: DateTime<Utc>) -> Result<(), PortError> {
        let operation = format!("revoke session {id}");
        let mut state = self.write(&operation)?;
        let kept = state.sessions.get_mut(&id).ok_or_else(|| PortError::not_found(operation))?;
        kept.revoked_at.get_or_insert(now);
        Ok(())
    }
}

#[async_trait]
impl ContainerStore for MemoryStore {
    async fn put_start(&self, start: &ContainerStart) -> Result<(), PortError> {
        self.write(format!("keep start {}", start.id))?.starts.insert(start.id, start.clone());
        Ok(())
    }

    async fn start_by_token(&self, hash: &[u8; 32]) -> Result<Option<ContainerStart>, PortError> {
        let state = self.read("find a start by its token")?;
        Ok(state.starts.values().find(|start| start.token_hash == *hash).cloned())
    }

    async fn remove_start(&self, id: ContainerStartId) -> Result<(), PortError> {
        self.write(format!("forget start {id}"))?.starts.remove(&id);
        Ok(())
    }

    async fn starts(&self) -> Result<Vec<ContainerStart>, PortError> {
        let mut starts: Vec<_> = self.read("list starts")?.starts.values().cloned().collect();
        starts.sort_by_key(|start| (start.started_at, start.id));
        Ok(starts)
    }
}
