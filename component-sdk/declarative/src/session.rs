//! Logging in: how an instance gets the token of a session, and how requests carry it.
//!
//! The component `rest` logs in itself, so it is the one that sees the secrets, and keeps the token in its memory only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::AuthPlace;
use crate::request::{Body, Request};

/// How a session begins, how long it lasts, and how requests carry its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The request that logs in.
    pub login: Login,
    /// The token: an expression that sees `vars` and `response` (`status`, `headers`, `body`).
    pub token: String,
    /// How many seconds the token lasts: a number, or an expression that sees what `token` sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Lifetime")]
    pub expires_in: Option<Lifetime>,
    /// When the token ends, as RFC 3339 writes it or in seconds or milliseconds since 1970: an expression that sees what
    /// `token` sees. Without either the token lasts until it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Where requests carry the token.
    #[serde(rename = "in", default)]
    pub place: AuthPlace,
    /// The name of the header, parameter or cookie: the header `Authorization` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What stands before the token: nothing when absent, and `Bearer ` when there is no name either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// The request that logs in. Its expressions see `vars` and `secrets`. Redirects are not followed: the answer counts as it
/// is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The method, `POST` when absent.
    #[serde(default = "post")]
    pub method: String,
    /// What is appended to `base_url`, as in other requests; `{name}` stands for a member of `path_params`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The whole URL instead of a path: a text, or an expression. Its host must be an allowed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The values of names in the path.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub path_params: Map<String, Value>,
    /// Parameters of the query.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Body")]
    pub body: Option<Body>,
}

fn post() -> String {
    "POST".to_owned()
}

/// How long a token lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Lifetime {
    /// Always as many seconds.
    Seconds(u32),
    /// An expression that gives seconds.
    Expression(String),
}

impl Session {
    /// The name of the header, parameter or cookie that carries the token, and what stands before the token.
    #[must_use]
    pub fn carrier(&self) -> (&str, &str) {
        match &self.name {
            Some(name) => (name, self.prefix.as_deref().unwrap_or_default()),
            None => ("Authorization", self.prefix.as_deref().unwrap_or("Bearer ")),
        }
    }
}

impl Login {
    /// The same as a request of an action. Where there is a URL, the path is empty.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            method: self.method.clone(),
            path: self.path.clone().unwrap_or_default(),
            path_params: self.path_params.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }
}
