//! What a page of a host application may do in the name of its user, for a short time.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{InstanceName, SessionId, TokenId};

/// A session of a browser: some instances, some deeds, one origin, a short time. Its token holds it, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The instances that it is about.
    pub instances: BTreeSet<InstanceName>,
    /// What it may do with them.
    pub allow: BTreeSet<SessionDeed>,
    /// The origin of the pages that may use it, as in RFC 6454, section 6.2. Any when absent.
    pub origin: Option<String>,
    /// The API token that it was made with. Where that ends, the session ends.
    pub issuer: Option<TokenId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A session as it is kept: without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// The session.
    pub session: Session,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl KeptSession {
    /// Whether its token works at `now`, as far as it is about the session itself.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.session.expires_at
    }
}

impl Session {
    /// Whether it may do this with that instance.
    #[must_use]
    pub fn may(&self, deed: SessionDeed, instance: &InstanceName) -> bool {
        self.allow.contains(&deed) && self.instances.contains(instance)
    }

    /// Whether a request with this header `Origin` may use it. Browsers leave the header out only of requests to the
    /// origin of the page itself.
    #[must_use]
    pub fn accepts(&self, origin: Option<&str>) -> bool {
        match (&self.origin, origin) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, _) | (_, None) => true,
        }
    }
}

/// What a session may do with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionDeed {
    /// See how its authorisation stands.
    Status,
    /// Begin to authorise it.
    Authorize,
    /// End its authorisation.
    Revoke,
    /// Run one of its functions.
    Invoke,
}

impl SessionDeed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Status, Self::Authorize, Self::Revoke, Self::Invoke];

    /// Its name, as in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Authorize => "authorize",
            Self::Revoke => "revoke",
            Self::Invoke => "invoke",
        }
    }
}

impl fmt::Display for SessionDeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no deed of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of status, authorize, revoke and invoke")]
pub struct SessionDeedError(String);

impl FromStr for SessionDeed {
    type Err = SessionDeedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|deed| deed.as_str() == text);
        known.ok_or_else(|| SessionDeedError(text.chars().take(32).collect()))
    }
}
