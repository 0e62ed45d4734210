//! Authorising instances by OAuth 2.0.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the authorisation of an instance stands. Tokens are never shown.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuthorizationState {
    /// `needs_authorization`, `ok`, `expiring`, `needs_reauth` or `revoked`.
    pub state: String,
    /// The provider's own words on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What access was granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When the access token ends. It is refreshed before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When it was authorised last. Refreshes of its tokens leave that as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<DateTime<Utc>>,
    /// Why the last attempt to authorise it came to nothing, if it did. Gone with the next attempt, and after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a person has to do to authorise an instance: open `url`, or type in `user_code` at `verification_uri`, or nothing.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Authorization {
    /// A link for a browser. It works once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The redirect URI that the provider has to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// What to type in on another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// Where to type it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri: Option<String>,
    /// The same with the code in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// Until when that may be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What became of a revocation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// Why the provider was not told, if it was not. The tokens are forgotten all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_told: Option<String>,
}

impl From<sluice_engine::AuthorizationView> for AuthorizationState {
    fn from(view: sluice_engine::AuthorizationView) -> Self {
        Self {
            state: view.state.as_str().to_owned(),
            detail: view.detail,
            scopes: view.scopes,
            expires_at: view.expires_at,
            updated_at: view.updated_at,
            authorized_at: view.authorized_at,
            failure: view.failure,
        }
    }
}

impl From<sluice_engine::Authorization> for Authorization {
    fn from(authorization: sluice_engine::Authorization) -> Self {
        match authorization {
            sluice_engine::Authorization::Done => Self::default(),
            sluice_engine::Authorization::Browser(browser) => Self {
                url: Some(browser.url),
                redirect_uri: Some(browser.redirect_uri),
                expires_at: Some(browser.expires_at),
                ..Self::default()
            },
            sluice_engine::Authorization::Device(device) => Self {
                user_code: Some(device.user_code),
                verification_uri: Some(device.verification_uri),
                verification_uri_complete: device.verification_uri_complete,
                expires_at: Some(device.expires_at),
                ..Self::default()
            },
        }
    }
}
