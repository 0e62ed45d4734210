//! API tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An API token, without the token itself.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The tenant that it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What it may do: `read`, `write`, `admin`. Each includes those before it.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What token to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What it is for.
    pub name: String,
    /// What it may do: `read`, `write`, `admin`.
    pub permissions: Vec<String>,
    /// After which time it stops working, for example `90d`; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// A new token. This is the only time that it is shown.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// What it is for and may do.
    #[serde(flatten)]
    pub info: Token,
    /// The token.
    pub token: String,
}

impl From<sluice_domain::ApiToken> for Token {
    fn from(token: sluice_domain::ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            tenant: token.tenant.map(Into::into),
            permissions: token.permissions.iter().map(ToString::to_string).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}
