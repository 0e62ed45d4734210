//! How to reach an API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How to reach an API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What paths are appended to. An expression sees `vars`.
    pub base_url: String,
    /// Headers of every request; expressions see what those of the request see.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// Parameters of the query of every request.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Other hosts that requests may go to, whatever the port: pages of the next URL, redirects, files. `*.example.com`
    /// means every host below it. The origin of `base_url` is always allowed, other ports of its host only when it stands
    /// here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    /// Seconds that one request may take: 1 to 3600.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
    /// Most bytes of an answer: at most 64 MiB.
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 1, max = 67_108_864))]
    pub max_response_bytes: usize,
    /// Most bytes of the body of a request: 1 GiB when absent, at most 64 GiB.
    #[serde(default = "default_upload", skip_serializing_if = "is_default_upload")]
    #[schemars(range(min = 1, max = 68_719_476_736_u64))]
    pub max_upload_bytes: u64,
    /// How many requests an instance may make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RateLimit")]
    pub rate_limit: Option<RateLimit>,
    /// What answers mean that are no success, before the usual rules: the first rule that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorRule>,
}

impl Http {
    /// An API at this address, and nothing else said of it.
    #[must_use]
    pub fn new(base_url: String) -> Self {
        Self {
            base_url,
            headers: Map::new(),
            query: Map::new(),
            allowed_hosts: Vec::new(),
            timeout_seconds: default_timeout(),
            max_response_bytes: default_bytes(),
            max_upload_bytes: default_upload(),
            rate_limit: None,
            errors: Vec::new(),
        }
    }
}

/// How many requests an instance may make, counted for all of its steps in one process of the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Most requests within `per_seconds`: 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 10_000))]
    pub requests: Option<u32>,
    /// The time that `requests` is about: 1 to 3600 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 3600))]
    pub per_seconds: Option<u32>,
    /// Most requests at a time: 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
    /// Whether what answers say of limits counts, too: `Retry-After`, `RateLimit` and the like. `false` where they say it
    /// of single functions.
    #[serde(default = "yes")]
    pub learn: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { requests: None, per_seconds: None, concurrency: None, learn: yes() }
    }
}

fn yes() -> bool {
    true
}

fn default_timeout() -> u32 {
    30
}

fn default_bytes() -> usize {
    8 * 1024 * 1024
}

fn default_upload() -> u64 {
    1024 * 1024 * 1024
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over by reference")]
fn is_default_upload(bytes: &u64) -> bool {
    *bytes == default_upload()
}

/// What some answers mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The statuses that it is about; every status when there is none, success too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<u16>,
    /// An expression that sees `response` (`status`, `headers`, `body`); the rule counts where it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What to do.
    pub then: Reaction,
    /// The message of the error; an expression sees `response`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What an answer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// An error that is worth another attempt.
    Retry,
    /// An error that no further attempt can mend.
    Fail,
    /// A success after all.
    Ignore,
    /// The token is renewed and the request made once more. With the types `oauth2` and `session` only.
    Refresh,
    /// A person has to authorise the instance again; the input waits until then. With the type `oauth2` only.
    Reauthorize,
}
