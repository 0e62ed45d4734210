//! API tokens: 256 random bits each, of which only a hash is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sluice_domain::{ApiToken, Permission, TenantName, TokenId};
use sluice_ports::{Fault, PortError};

use crate::{CommandError, Engine};

/// What tokens begin with, so that scanners for leaked secrets know them.
const PREFIX: &str = "sluice_api_";

impl Engine {
    /// Makes a token, limited to a tenant if one is named. The secret is returned once and never again.
    ///
    /// # Errors
    /// When the name or the permissions make no sense.
    pub async fn create_token(
        &self,
        name: &str,
        tenant: Option<TenantName>,
        permissions: BTreeSet<Permission>,
        expires_in: Option<Duration>,
    ) -> Result<(ApiToken, SecretString), CommandError> {
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(CommandError::bad(
                "token_name",
                "a token needs a name of 1 to 100 printable characters",
            ));
        }
        if permissions.is_empty() {
            return Err(CommandError::bad(
                "token_permissions",
                "a token needs a permission: read, write or admin",
            ));
        }
        let now = self.core.ports.clock.now();
        let expires_at = expires_in.map(|span| {
            let span = chrono::Duration::from_std(span.min(Duration::from_secs(3650 * 24 * 3600)));
            now + span.unwrap_or(chrono::Duration::zero())
        });
        let secret = SecretString::from(format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(self.core.ports.entropy.secret())
        ));
        let token = ApiToken {
            id: TokenId::from_bits(self.core.ports.entropy.bits()),
            name: name.to_owned(),
            tenant,
            hash: hash(secret.expose_secret()),
            permissions,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        self.core.ports.store.put_token(&token).await?;
        Ok((token, secret))
    }

    /// All tokens, without their secrets.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, CommandError> {
        Ok(self.core.ports.store.tokens().await?)
    }

    /// Revokes a token at once.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), CommandError> {
        match self.core.ports.store.revoke_token(id, self.core.ports.clock.now()).await {
            Ok(()) => Ok(()),
            Err(PortError { fault: Fault::NotFound, .. }) => Err(CommandError::not_found("token", id)),
            Err(error) => Err(error.into()),
        }
    }

    /// The token, if it is valid now. Looked up by its hash, so that no comparison leaks how much of it was right.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn authenticate(&self, token: &str) -> Result<Option<ApiToken>, CommandError> {
        if !token.starts_with(PREFIX) || token.len() > 100 {
            return Ok(None);
        }
        let found = self.core.ports.store.token_by_hash(&hash(token)).await?;
        Ok(found.filter(|token| token.is_valid(self.core.ports.clock.now())))
    }

    /// Whether a token still is valid: for what goes on after it was looked at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_works(&self, id: TokenId) -> Result<bool, CommandError> {
        let now = self.core.ports.clock.now();
        let tokens = self.core.ports.store.tokens().await?;
        Ok(tokens.iter().any(|token| token.id == id && token.is_valid(now)))
    }

    /// An administrator's token, if there is no token at all yet.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn first_token(&self) -> Result<Option<SecretString>, CommandError> {
        if !self.core.ports.store.tokens().await?.is_empty() {
            return Ok(None);
        }
        let (_, secret) = self.create_token("first", None, BTreeSet::from([Permission::Admin]), None).await?;
        Ok(Some(secret))
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
