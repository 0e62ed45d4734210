//! The provider of an instance's tokens (OAuth 2.0, RFC 6749).
//!
//! Promises of every implementation:
//!
//! - It keeps nothing between calls: tokens, counters and who may refresh when are the caller's business.
//! - No call is repeated by itself, and no redirect is followed. A call ends within a bounded time.
//! - No token, code, secret or verifier is in an error, a log line or debug output, also where the provider repeats them.
//!   Texts of the provider are one line of at most 500 characters.
//! - What a provider answers with is bounded before it is read.
//!
//! **An error that leaves open whether the request arrived may have cost the grant.** A code works once, and a provider
//! that rotates refresh tokens has forgotten the old one when it sends its answer. So the caller keeps what it has until
//! it has stored what came, and asks with the same token again where [`OAuthError::is_transient`]; when the provider then
//! answers that the grant is over ([`OAuthError::is_grant_dead`]), a person has to authorise again. The caller sees to it
//! that nobody else refreshes the same token meanwhile.

mod error;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};
use sluice_domain::oauth::{ClientAuth, TokenBody, TokenFields, TokenKind};
use url::Url;

pub use error::{OAuthError, Waiting};

/// Providers of tokens.
#[async_trait]
pub trait OAuth: Send + Sync {
    /// Exchanges the code of a callback for tokens (RFC 6749, section 4.1.3). Not idempotent: a code works once.
    ///
    /// # Errors
    /// [`OAuthError`]; with `invalid_grant` when the code was used, is too old, or belongs to another client, redirect URI
    /// or verifier.
    async fn exchange(&self, request: &CodeExchange) -> Result<Tokens, OAuthError>;

    /// Gets a token for the client itself (RFC 6749, section 4.4). May be repeated; each call gives a token of its own.
    ///
    /// # Errors
    /// [`OAuthError`]; never with a dead grant, as there is none.
    async fn client_credentials(&self, request: &ClientCredentials) -> Result<Tokens, OAuthError>;

    /// Gets new tokens for a refresh token (RFC 6749, section 6). Where the answer has a refresh token, it replaces the
    /// old one, which may not work any more; where it has none, the old one goes on working.
    ///
    /// # Errors
    /// [`OAuthError`]; with a dead grant when only a person can mend it.
    async fn refresh(&self, request: &Refresh) -> Result<Tokens, OAuthError>;

    /// Begins an authorisation on another device (RFC 8628, section 3.1). May be repeated; each call gives codes of its
    /// own.
    ///
    /// # Errors
    /// [`OAuthError`].
    async fn start_device(&self, request: &DeviceStart) -> Result<DeviceAuthorization, OAuthError>;

    /// Asks whether the person has acted on the other device (RFC 8628, section 3.4). The caller keeps the interval.
    ///
    /// # Errors
    /// [`OAuthError`]; [`OAuthError::waiting`] says that it is to ask again. After a transient one it asks again, too. Every
    /// other error is the end, such as `access_denied` and `expired_token`.
    async fn poll_device(&self, request: &DevicePoll) -> Result<Tokens, OAuthError>;

    /// Revokes a token (RFC 7009). Idempotent: a token that the provider does not know counts as revoked.
    ///
    /// # Errors
    /// [`OAuthError`].
    async fn revoke(&self, request: &Revoke) -> Result<(), OAuthError>;
}

/// A client of a provider (RFC 6749, section 2).
#[derive(Debug, Clone)]
pub struct Client {
    /// The id.
    pub id: String,
    /// The secret; none for a public client.
    pub secret: Option<SecretString>,
    /// How the client says who it is.
    pub auth: ClientAuth,
}

/// An endpoint of a provider and the ways of its requests and answers.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The endpoint, with whatever its query says already.
    pub url: Url,
    /// Who asks.
    pub client: Client,
    /// How requests are written.
    pub body: TokenBody,
    /// Further parameters. They never replace those of the protocol.
    pub params: BTreeMap<String, String>,
    /// Further headers. They never replace `Authorization` and `Content-Type`.
    pub headers: BTreeMap<String, String>,
    /// Where answers hold what.
    pub fields: TokenFields,
    /// What stands between scopes.
    pub scope_separator: char,
}

/// A request for the tokens of a code.
#[derive(Debug, Clone)]
pub struct CodeExchange {
    /// The token endpoint.
    pub endpoint: Endpoint,
    /// The code of the callback.
    pub code: SecretString,
    /// The verifier of PKCE; none for providers that refuse it.
    pub verifier: Option<SecretString>,
    /// To the letter what the authorisation request said.
    pub redirect_uri: String,
}

/// A request for a token of the client itself.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub endpoint: Endpoint,
    /// What access is asked for; empty for what the provider gives by itself.
    pub scopes: Vec<String>,
}

/// A request for new tokens.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The endpoint for refreshes.
    pub endpoint: Endpoint,
    /// The refresh token.
    pub token: SecretString,
}

/// A request for the codes of a device.
#[derive(Debug, Clone)]
pub struct DeviceStart {
    /// The device authorisation endpoint.
    pub endpoint: Endpoint,
    /// What access is asked for; empty for what the provider gives by itself.
    pub scopes: Vec<String>,
}

/// A request for the tokens of a device.
#[derive(Debug, Clone)]
pub struct DevicePoll {
    /// The token endpoint.
    pub endpoint: Endpoint,
    /// The device's code.
    pub device_code: SecretString,
}

/// A request to revoke a token.
#[derive(Debug, Clone)]
pub struct Revoke {
    /// The revocation endpoint.
    pub endpoint: Endpoint,
    /// The token.
    pub token: SecretString,
    /// Which of the two it is.
    pub kind: TokenKind,
}

/// Tokens as a provider gives them (RFC 6749, section 5.1).
#[derive(Clone)]
pub struct Tokens {
    /// What requests to the API carry.
    pub access: SecretString,
    /// What gets new tokens; none where the provider gave none.
    pub refresh: Option<SecretString>,
    /// How long the access token works from now on, where the provider says so.
    pub expires_in: Option<Duration>,
    /// The scopes that were granted, where the provider says so. Otherwise those that were asked for.
    pub scopes: Option<Vec<String>>,
    /// The type of the token: `Bearer` where the provider says nothing.
    pub token_type: String,
    /// What else the answer says. Nothing named like a token is in it.
    pub extra: Map<String, Value>,
}

/// The codes of a device (RFC 8628, section 3.2).
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    /// What tokens are asked for with.
    pub device_code: SecretString,
    /// What the person types in. It is meant to be shown.
    pub user_code: String,
    /// Where the person types it in.
    pub verification_uri: Url,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Url>,
    /// How long the codes work.
    pub expires_in: Duration,
    /// How long to wait between two polls, at least.
    pub interval: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("refresh", &self.refresh.is_some())
            .field("expires_in", &self.expires_in)
            .field("scopes", &self.scopes)
            .field("token_type", &self.token_type)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_token() {
        let tokens = Tokens {
            access: SecretString::from("hunter2"),
            refresh: Some(SecretString::from("hunter2")),
            expires_in: None,
            scopes: None,
            token_type: "Bearer".to_owned(),
            extra: Map::from_iter([("who".to_owned(), Value::from("hunter2"))]),
        };
        assert!(!format!("{tokens:?}").contains("hunter2"), "{tokens:?}");
    }
}
