//! The authorisations of instances: tokens, sealed, and attempts to get them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::oauth::AuthorizationState;
use sluice_domain::{Happened, InstanceName};

use crate::{PortError, SealedSecret};

/// How the authorisation of an instance stands, and its sealed tokens.
#[derive(Clone, PartialEq)]
pub struct StoredAuthorization {
    /// The instance.
    pub instance: InstanceName,
    /// Counts the changes, from 1.
    pub version: u64,
    /// How it stands. Never [`Expiring`](AuthorizationState::Expiring), which time alone decides.
    pub state: AuthorizationState,
    /// The provider's own words on it, where there are any. Holds no secret.
    pub detail: Option<String>,
    /// The access token.
    pub access: Option<SealedSecret>,
    /// The refresh token.
    pub refresh: Option<SealedSecret>,
    /// When the access token ends; none when that is not known.
    pub expires_at: Option<DateTime<Utc>>,
    /// What access was granted.
    pub scopes: Vec<String>,
    /// When this was stored.
    pub updated_at: DateTime<Utc>,
    /// When it was authorised last: by a person, or by the client for itself. Refreshes and ends of tokens leave it as it
    /// is.
    pub authorized_at: Option<DateTime<Utc>>,
}

impl StoredAuthorization {
    /// The event that tells of the change from `before`, if the state changes.
    #[must_use]
    pub fn event(&self, before: Option<&Self>) -> Option<Happened> {
        let before = before.map(|before| before.state);
        (before != Some(self.state)).then(|| Happened::InstanceState {
            instance: self.instance.clone(),
            before,
            state: self.state,
            detail: self.detail.clone(),
        })
    }
}

/// An authorisation that somebody began and has not finished.
#[derive(Clone, PartialEq)]
pub struct AuthorizationAttempt {
    /// SHA-256 of the `state` that the provider sends back.
    pub state: [u8; 32],
    /// SHA-256 of what the browser that begins holds as a cookie; none until a browser has begun.
    pub browser: Option<[u8; 32]>,
    /// The instance.
    pub instance: InstanceName,
    /// The verifier of PKCE.
    pub verifier: Option<SealedSecret>,
    /// The redirect URI that was sent to the provider.
    pub redirect_uri: String,
    /// Until when it may be finished.
    pub expires_at: DateTime<Utc>,
}

/// The authorisations of instances. They go with their instance.
#[async_trait]
pub trait AuthorizationStore: Send + Sync {
    /// The authorisation of an instance.
    async fn authorization(&self, instance: &InstanceName) -> Result<Option<StoredAuthorization>, PortError>;

    /// All authorisations, by instance.
    async fn authorizations(&self) -> Result<Vec<StoredAuthorization>, PortError>;

    /// Stores an authorisation in place of the one whose version is one less; of version 1 where there is none. A
    /// conflict when somebody else was quicker, not found when the instance is not there.
    async fn put_authorization(&self, authorization: &StoredAuthorization) -> Result<(), PortError>;

    /// Keeps an attempt. Those that are over go. Not found when the instance is not there.
    async fn begin_attempt(
        &self,
        attempt: &AuthorizationAttempt,
        now: DateTime<Utc>,
    ) -> Result<(), PortError>;

    /// Binds an attempt to the browser that begins it: once, and before it is over. Nothing when that cannot be.
    async fn bind_attempt(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError>;

    /// Takes an attempt that is not over, so that nobody takes it again.
    async fn take_attempt(
        &self,
        state: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError>;
}
