//! Why a provider gave nothing, and what follows from it.

use std::error::Error;
use std::time::Duration;

/// A request to a provider that failed. `place` is the host and path of the endpoint.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The provider understood the request and refused it (RFC 6749, section 5.2; RFC 8628, section 3.5).
    #[error("{place} refused with {error}{}", description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// The endpoint.
        place: String,
        /// The code, such as `invalid_grant`.
        error: String,
        /// What the provider says of it.
        description: Option<String>,
        /// The HTTP status; not always 400, with some providers even 200.
        status: u16,
        /// How long to wait between polls from now on, where the answer says so.
        interval: Option<Duration>,
    },
    /// The provider is down or busy: 408, 429 or 5xx without a code.
    #[error("{place} answered {status}")]
    Unavailable {
        /// The endpoint.
        place: String,
        /// The HTTP status.
        status: u16,
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
    },
    /// There is no answer, or only half of one. The request may have arrived.
    #[error("{place} gave no answer")]
    Unreachable {
        /// The endpoint.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Requests may not go there. Nothing was sent.
    #[error("no request goes to {place}: {reason}")]
    Forbidden {
        /// The endpoint.
        place: String,
        /// Why not.
        reason: &'static str,
    },
    /// The answer is larger than any of this kind. It was not read to its end.
    #[error("{place} answered with more than {limit} bytes")]
    TooLarge {
        /// The endpoint.
        place: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is none that OAuth knows.
    #[error("{place} answered {status}, but {reason}")]
    Malformed {
        /// The endpoint.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The request cannot be made of its parts. Nothing was sent.
    #[error("the request to {place} cannot be made: {reason}")]
    BadRequest {
        /// The endpoint.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What a poll for a device is told as long as the person has not acted (RFC 8628, section 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Ask again after the interval.
    Pending,
    /// Ask less often: after this interval from now on where there is one, else after five seconds more than before.
    SlowDown(Option<Duration>),
}

/// Codes that say that a refresh token or code works no more: that of RFC 6749, then those that GitHub, Slack and others
/// have for the same.
const DEAD: [&str; 5] =
    ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "bad_verification_code"];
/// Codes that ask to come again (RFC 6749, section 4.1.2.1).
const PASSING: [&str; 2] = ["server_error", "temporarily_unavailable"];

impl OAuthError {
    /// Whether the same request may succeed later. False for polls that are told to wait: see
    /// [`waiting`](Self::waiting).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { error, status, .. } => {
                let busy = matches!(status, 408 | 429) || *status >= 500;
                PASSING.contains(&error.as_str())
                    || (busy && !self.is_grant_dead() && self.waiting().is_none())
            }
            Self::Unavailable { .. } | Self::Unreachable { .. } => true,
            Self::Forbidden { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::BadRequest { .. } => false,
        }
    }

    /// Whether the refresh token or code works no more, so that a person has to authorise again.
    #[must_use]
    pub fn is_grant_dead(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if DEAD.contains(&error.as_str()))
    }

    /// What a poll for a device is told while the person has not acted; nothing for every other error.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        let Self::Refused { error, interval, .. } = self else { return None };
        match error.as_str() {
            "authorization_pending" => Some(Waiting::Pending),
            "slow_down" => Some(Waiting::SlowDown(*interval)),
            _ => None,
        }
    }

    /// How long the provider asks to wait before another try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Forbidden { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::BadRequest { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str, status: u16) -> OAuthError {
        let place = "login.example/token".to_owned();
        OAuthError::Refused { place, error: error.to_owned(), description: None, status, interval: None }
    }

    #[test]
    fn each_refusal_says_what_follows() {
        for (error, status, transient, dead, waiting) in [
            ("invalid_grant", 400, false, true, None),
            ("invalid_grant", 500, false, true, None),
            ("bad_refresh_token", 200, false, true, None),
            ("invalid_client", 401, false, false, None),
            ("temporarily_unavailable", 400, true, false, None),
            ("invalid_request", 429, true, false, None),
            ("authorization_pending", 400, false, false, Some(Waiting::Pending)),
            ("authorization_pending", 503, false, false, Some(Waiting::Pending)),
            ("slow_down", 429, false, false, Some(Waiting::SlowDown(None))),
            ("expired_token", 400, false, false, None),
        ] {
            let refusal = refused(error, status);
            let told = (refusal.is_transient(), refusal.is_grant_dead(), refusal.waiting());
            assert_eq!(told, (transient, dead, waiting), "{error} {status}");
        }
    }

    #[test]
    fn a_sentence_names_the_place_the_code_and_the_description() {
        assert_eq!(
            refused("invalid_grant", 400).to_string(),
            "login.example/token refused with invalid_grant"
        );
    }
}
