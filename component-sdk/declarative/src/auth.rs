//! How requests are authorised.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_protocol::FunctionName;

use crate::oauth::{ClientAuth, OAuth2};
use crate::session::Session;

/// How requests are authorised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The way.
    #[serde(rename = "type", default)]
    pub kind: AuthType,
    /// Several ways at once, all of which each request goes. Then nothing else stands beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub all: Vec<Auth>,
    /// Where an API key goes.
    #[serde(rename = "in", default)]
    pub place: AuthPlace,
    /// The name of the header, parameter or cookie of an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What stands before an API key, for example `Token `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The name of the secret that holds the key or token: `api_key` for an API key and `token` for `bearer` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// For the type `oauth2`: where tokens come from. A [`Call`](crate::Call) has none of it; there `in`, `name` and
    /// `prefix` say how the access token is carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OAuth2")]
    pub oauth2: Option<OAuth2>,
    /// For the type `script`: the script that signs each request. It gets `({ method, url, path, query, headers, body },
    /// secrets, { vars })` and gives `{ headers, query }` to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub script: Option<FunctionName>,
    /// For the type `session`: how to log in, and how requests carry the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Session")]
    pub session: Option<Session>,
    /// For the types `script` and `session`: the names of the secrets that an instance has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// The ways to authorise a request, and the secrets that an instance then has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// Not at all.
    #[default]
    None,
    /// A key in a header, the query or a cookie: the secret `api_key`.
    ApiKey,
    /// RFC 7617: the secrets `username` and `password`.
    Basic,
    /// RFC 6750, section 2.1: the secret `token`.
    Bearer,
    /// RFC 6749: the secrets `client_id` and `client_secret`. A run gets the secret `access_token` instead of them.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// A script signs each request: the secrets that `secrets` names.
    Script,
    /// The component logs in and requests carry the token that it gets: the secrets that `secrets` names.
    Session,
}

/// Where an API key goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthPlace {
    /// A header.
    #[default]
    Header,
    /// A parameter of the query.
    Query,
    /// A cookie.
    Cookie,
}

impl Auth {
    /// The ways that each request goes: those of `all`, or the one that this is.
    #[must_use]
    pub fn each(&self) -> &[Auth] {
        if self.all.is_empty() { std::slice::from_ref(self) } else { &self.all }
    }

    /// How to log in, where one of the ways begins with that.
    #[must_use]
    pub fn login(&self) -> Option<&Session> {
        self.each().iter().find_map(|one| one.session.as_ref())
    }

    /// The script that signs requests, where one of the ways is that.
    #[must_use]
    pub fn signer(&self) -> Option<&FunctionName> {
        self.each().iter().find_map(|one| one.script.as_ref())
    }

    /// Where the tokens of instances come from, where one of the ways is OAuth. A [`Call`](crate::Call) has none of it.
    #[must_use]
    pub fn authorization(&self) -> Option<&OAuth2> {
        self.each().iter().find_map(|one| one.oauth2.as_ref())
    }

    /// Whether one of the ways is OAuth.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        self.each().iter().any(|one| one.kind == AuthType::OAuth2)
    }

    /// The names of the secrets of an instance that its runs need besides the access token, where one of the ways is
    /// OAuth: those of the other ways.
    #[must_use]
    pub fn beside_token(&self) -> Vec<&str> {
        self.each().iter().filter(|one| one.kind != AuthType::OAuth2).flat_map(Self::needs).collect()
    }

    /// The same without what only the orchestrator needs: of OAuth only how requests carry the token.
    pub(crate) fn carried(&self) -> Self {
        let one = self.oauth2.as_ref().map_or_else(|| self.clone(), OAuth2::carried);
        Self { all: self.all.iter().map(Self::carried).collect(), ..one }
    }

    /// Whether requests carry a token that can be renewed when it is refused.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.each().iter().any(|one| matches!(one.kind, AuthType::OAuth2 | AuthType::Session))
    }

    /// The names of the secrets that an instance must have for this one way, without those of others in `all`.
    #[must_use]
    pub fn needs(&self) -> Vec<&str> {
        let named = |usual| vec![self.secret.as_deref().unwrap_or(usual)];
        match self.kind {
            AuthType::None => Vec::new(),
            AuthType::ApiKey => named("api_key"),
            AuthType::Bearer => named("token"),
            AuthType::Basic => vec!["username", "password"],
            AuthType::Script | AuthType::Session => self.secrets.iter().map(String::as_str).collect(),
            AuthType::OAuth2 if self.is_public() => vec!["client_id"],
            AuthType::OAuth2 => vec!["client_id", "client_secret"],
        }
    }

    /// Whether it is OAuth, or OAuth besides others, for a client whose secret may be left out.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.authorization().is_some_and(|oauth| oauth.client_auth == ClientAuth::None)
    }
}
