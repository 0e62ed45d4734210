//! API tokens.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{ApiToken, TokenId};

use crate::PortError;

/// API tokens.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Keeps a new token.
    async fn put_token(&self, token: &ApiToken) -> Result<(), PortError>;
    /// The token with this hash, valid or not.
    async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiToken>, PortError>;
    /// All tokens, oldest first.
    async fn tokens(&self) -> Result<Vec<ApiToken>, PortError>;
    /// Revokes a token. Idempotent; not found when there is none.
    async fn revoke_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<(), PortError>;
}
