//! How the authorisation of an instance stands.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How the authorisation of an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationState {
    /// Nobody has authorised the instance yet. A finished authorisation moves it on.
    NeedsAuthorization,
    /// There is an access token that works. Time moves it on.
    Ok,
    /// The access token works, but not for long, or no longer. A refresh moves it on.
    Expiring,
    /// The provider refuses to refresh: the grant is over. Another authorisation moves it on.
    NeedsReauth,
    /// An operator revoked the authorisation. Another authorisation moves it on.
    Revoked,
}

/// A text that is no state of an authorisation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of an authorisation")]
pub struct AuthorizationStateError(String);

impl AuthorizationState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::NeedsAuthorization, Self::Ok, Self::Expiring, Self::NeedsReauth, Self::Revoked];

    /// The state of a token that works until `expires_at` (for ever without it) and is to be refreshed `margin` before
    /// that: `Ok` or `Expiring`.
    #[must_use]
    pub fn of_token(expires_at: Option<DateTime<Utc>>, margin: TimeDelta, now: DateTime<Utc>) -> Self {
        match expires_at {
            Some(end) if end - now <= margin => Self::Expiring,
            Some(_) | None => Self::Ok,
        }
    }

    /// Whether runs may use the instance.
    #[must_use]
    pub fn is_usable(self) -> bool {
        match self {
            Self::Ok | Self::Expiring => true,
            Self::NeedsAuthorization | Self::NeedsReauth | Self::Revoked => false,
        }
    }

    /// The name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeedsAuthorization => "needs_authorization",
            Self::Ok => "ok",
            Self::Expiring => "expiring",
            Self::NeedsReauth => "needs_reauth",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for AuthorizationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuthorizationState {
    type Err = AuthorizationStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| AuthorizationStateError(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_text() {
        for state in AuthorizationState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("OK".parse::<AuthorizationState>().is_err());
    }

    #[test]
    fn a_token_is_refreshed_before_its_end() {
        let now = "2026-11-06T08:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let margin = TimeDelta::seconds(60);
        for (seconds, expect) in [
            (61, AuthorizationState::Ok),
            (60, AuthorizationState::Expiring),
            (-1, AuthorizationState::Expiring),
        ] {
            let end = Some(now + TimeDelta::seconds(seconds));
            assert_eq!(AuthorizationState::of_token(end, margin, now), expect, "{seconds}");
        }
        assert_eq!(AuthorizationState::of_token(None, margin, now), AuthorizationState::Ok);
    }
}
