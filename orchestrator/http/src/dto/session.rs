//! Sessions of browsers, and what they see.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AuthorizationState, Instance};

/// A session, without its token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The names of the instances that it is about.
    pub instances: Vec<String>,
    /// What it may do with them.
    pub allow: Vec<String>,
    /// The origin of the pages that may use it; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The id of the API token that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What session to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The names of the instances that it is about: 1 to 20.
    pub instances: Vec<String>,
    /// What it may do with them: `status`, `authorize`, `revoke`, `invoke`; all of it when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The origin of the pages that may use it, for example `https://app.example.com`; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How long it lasts, for example `30m`: a minute to an hour, 15 minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// A new session. This is the only time that its token is shown.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedSession {
    /// The id of the session, to revoke it by.
    pub id: String,
    /// What the page sends as `Authorization: Bearer …`.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What a page sees of an instance.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmbeddedInstance {
    /// Its name.
    pub instance: String,
    /// The connector it belongs to.
    pub connector: String,
    /// `needs_authorization`, `ok`, `expiring`, `needs_reauth` or `revoked`; `ok` where nobody has to authorise it.
    pub state: String,
    /// The provider's own words on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What access was granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When the access token ends. It is refreshed before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When its authorisation changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When it was authorised last. Refreshes of its tokens leave that as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<DateTime<Utc>>,
    /// Why the last attempt to authorise it came to nothing, if it did. Gone with the next attempt, and after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a page asks to run.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedInvoke {
    /// What an action gets as its body; what a polling trigger gets as its cursor.
    #[serde(default)]
    pub input: serde_json::Value,
    /// What a step's config would be.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub config: serde_json::Value,
}

impl From<sluice_domain::KeptSession> for Session {
    fn from(kept: sluice_domain::KeptSession) -> Self {
        let session = kept.session;
        Self {
            id: session.id.to_string(),
            instances: session.instances.iter().map(ToString::to_string).collect(),
            allow: session.allow.iter().map(ToString::to_string).collect(),
            origin: session.origin,
            issuer: session.issuer.map(|token| token.to_string()),
            created_at: session.created_at,
            expires_at: session.expires_at,
            revoked_at: kept.revoked_at,
        }
    }
}

impl EmbeddedInstance {
    /// Leaves out what is the operators' own affair.
    #[must_use]
    pub fn new(instance: Instance, authorization: Option<AuthorizationState>) -> Self {
        let bare = Self {
            instance: instance.name,
            connector: instance.connector,
            state: "ok".to_owned(),
            reason: None,
            scopes: Vec::new(),
            expires_at: None,
            updated_at: None,
            authorized_at: None,
            failure: None,
        };
        let Some(known) = authorization else { return bare };
        let AuthorizationState { state, detail, scopes, expires_at, updated_at, authorized_at, failure } =
            known;
        Self { state, reason: detail, scopes, expires_at, updated_at, authorized_at, failure, ..bare }
    }
}
