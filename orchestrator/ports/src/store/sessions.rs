//! Sessions of browsers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{KeptSession, Session, SessionId};

use crate::PortError;

/// Sessions of browsers, without their tokens.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session, and forgets those that were over at `now`.
    async fn put_session(&self, session: &Session, now: DateTime<Utc>) -> Result<(), PortError>;
    /// The session of this id, valid or not.
    async fn session(&self, id: SessionId) -> Result<Option<KeptSession>, PortError>;
    /// All sessions that are kept, oldest first.
    async fn sessions(&self) -> Result<Vec<KeptSession>, PortError>;
    /// Revokes a session. Idempotent; not found when there is none.
    async fn revoke_session(&self, id: SessionId, now: DateTime<Utc>) -> Result<(), PortError>;
}
