//! OAuth 2.0 (RFC 6749): how an instance gets its token, and how requests carry it.
//!
//! The orchestrator obtains, keeps and refreshes tokens; the component `rest` sees the access token only.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_protocol::FunctionName;

use crate::auth::{Auth, AuthPlace, AuthType};

/// How tokens are obtained, renewed, revoked and sent. URLs are texts, or expressions that see `vars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// How the first token is obtained.
    #[serde(default)]
    pub grant: Grant,
    /// Where a person grants access (RFC 6749, section 3.1). The grant `authorization_code` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    /// Where tokens come from (RFC 6749, section 3.2).
    pub token_url: String,
    /// Where tokens are refreshed (RFC 6749, section 6): `token_url` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_url: Option<String>,
    /// Where tokens are revoked (RFC 7009). Without it a revoked authorisation is only forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
    /// Where a device asks for its codes (RFC 8628, section 3.1). The grant `device_code` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_url: Option<String>,
    /// Which token is sent to `revoke_url`: `refresh` when absent, `access` with the grant `client_credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TokenKind")]
    pub revoke_using: Option<TokenKind>,
    /// Who must answer the authorisation: the issuer (RFC 8414, section 2) that the callback has to name (RFC 9207). A
    /// text, or an expression that sees `vars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What access is asked for (RFC 6749, section 3.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What stands between scopes: one character.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// Whether the code is bound to a secret by PKCE with S256 (RFC 7636). `false` only for providers that refuse it.
    #[serde(default = "yes")]
    pub pkce: bool,
    /// How the client says who it is (RFC 6749, section 2.3).
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// How requests for tokens are written.
    #[serde(default)]
    pub token_body: TokenBody,
    /// Further parameters of the authorisation request, and of the request for device codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_params: BTreeMap<String, String>,
    /// Further parameters of the request for the first token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    /// Further parameters of refreshes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refresh_params: BTreeMap<String, String>,
    /// Further parameters of revocations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revoke_params: BTreeMap<String, String>,
    /// Further headers of all of these requests but the first, which a browser makes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_headers: BTreeMap<String, String>,
    /// Where answers hold what.
    #[serde(default)]
    pub fields: TokenFields,
    /// Seconds that an access token lasts when the answer says nothing. It lasts until it is refused when both say
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 315_360_000))]
    pub default_expires_in_seconds: Option<u32>,
    /// How many seconds before its end a token is refreshed.
    #[serde(default = "minute")]
    #[schemars(range(max = 86_400))]
    pub expiring_seconds: u32,
    /// Where requests to the API carry the access token (RFC 6750, section 2).
    #[serde(rename = "in", default)]
    pub place: TokenPlace,
    /// What stands before the token: `Bearer ` in a header, nothing in the query when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The name of the header or parameter: `Authorization` and `access_token` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is called after an instance was authorised. It gets `{ token_response }`, and `settings` of its result become
    /// settings of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Hook")]
    pub on_authorize: Option<Hook>,
    /// What is called before an authorisation is revoked. It gets `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Hook")]
    pub on_revoke: Option<Hook>,
}

/// What is called when an authorisation begins or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Hook {
    /// The name of an action.
    Action(String),
    /// A script, in the place of an action that is this script.
    Script(ScriptHook),
}

/// A script as a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptHook {
    /// The name of the script: it gets `(input, { vars, config })` and may `invoke` actions.
    #[schemars(with = "String")]
    pub script: FunctionName,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(name) => f.write_str(name),
            Self::Script(hook) => write!(f, "script {}", hook.script),
        }
    }
}

fn space() -> String {
    " ".to_owned()
}

fn yes() -> bool {
    true
}

fn minute() -> u32 {
    60
}

/// How the first token is obtained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person grants access in a browser (RFC 6749, section 4.1).
    #[default]
    AuthorizationCode,
    /// The client acts for itself (RFC 6749, section 4.4).
    ClientCredentials,
    /// A person grants access on another device (RFC 8628).
    DeviceCode,
}

/// One of the two tokens of an authorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// The token that requests carry.
    Access,
    /// The token that gets new ones.
    Refresh,
}

/// How a client says who it is at the token endpoint (RFC 6749, section 2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// By HTTP Basic, id and secret form-encoded first (RFC 6749, section 2.3.1).
    #[default]
    Header,
    /// By `client_id` and `client_secret` among the parameters.
    Body,
    /// By `client_id` alone: a public client. The instance's `client_secret` may be left out.
    None,
}

/// How a request for tokens is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenBody {
    /// `application/x-www-form-urlencoded`, as RFC 6749 wants it.
    #[default]
    Form,
    /// A JSON object.
    Json,
}

/// Where requests to the API carry the access token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenPlace {
    /// In a header (RFC 6750, section 2.1).
    #[default]
    Header,
    /// In the query (RFC 6750, section 2.3).
    Query,
}

/// Where an answer of the token endpoint holds what: names of members, or JSON Pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFields {
    /// The access token (RFC 6749, section 5.1).
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// How many seconds the access token lasts.
    pub expires_in: String,
    /// The scopes that were granted.
    pub scope: String,
    /// The type of the token.
    pub token_type: String,
    /// The code of an error (RFC 6749, section 5.2).
    pub error: String,
    /// What the provider says of the error.
    pub error_description: String,
}

impl Default for TokenFields {
    fn default() -> Self {
        Self {
            access_token: "access_token".to_owned(),
            refresh_token: "refresh_token".to_owned(),
            expires_in: "expires_in".to_owned(),
            scope: "scope".to_owned(),
            token_type: "token_type".to_owned(),
            error: "error".to_owned(),
            error_description: "error_description".to_owned(),
        }
    }
}

impl TokenFields {
    /// The fields by their names in the file.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &str); 7] {
        [
            ("access_token", &self.access_token),
            ("refresh_token", &self.refresh_token),
            ("expires_in", &self.expires_in),
            ("scope", &self.scope),
            ("token_type", &self.token_type),
            ("error", &self.error),
            ("error_description", &self.error_description),
        ]
    }
}

impl OAuth2 {
    /// The separator of scopes.
    #[must_use]
    pub fn separator(&self) -> char {
        self.scope_separator.chars().next().unwrap_or(' ')
    }

    /// The token that a revocation is about (RFC 7009, section 2.1).
    #[must_use]
    pub fn revokes(&self) -> TokenKind {
        let usual = match self.grant {
            Grant::AuthorizationCode | Grant::DeviceCode => TokenKind::Refresh,
            Grant::ClientCredentials => TokenKind::Access,
        };
        self.revoke_using.unwrap_or(usual)
    }

    /// How a request carries the token: what the component `rest` has to know, and nothing else.
    #[must_use]
    pub fn carried(&self) -> Auth {
        let (place, name, prefix) = match self.place {
            TokenPlace::Header => (AuthPlace::Header, "Authorization", "Bearer "),
            TokenPlace::Query => (AuthPlace::Query, "access_token", ""),
        };
        Auth {
            kind: AuthType::OAuth2,
            place,
            name: Some(self.name.clone().unwrap_or_else(|| name.to_owned())),
            prefix: self.prefix.clone().unwrap_or_else(|| prefix.to_owned()),
            ..Auth::default()
        }
    }
}
