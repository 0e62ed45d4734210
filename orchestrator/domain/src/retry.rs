//! Retry policies: whether, and after which delay, a failed input is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_protocol::ErrorInfo;

use crate::Delay;

/// When a step's failed inputs are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included: 1 to 100.
    pub attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay before the second attempt.
    pub initial: Delay,
    /// The longest delay.
    pub max: Delay,
    /// Which errors are retried.
    pub on: Vec<ErrorClass>,
}

/// How the delay grows from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// Always the initial delay.
    Fixed,
    /// The initial delay times the number of failed attempts.
    Linear,
    /// Doubles each time.
    Exponential,
}

/// A class of errors that a policy can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// Errors that the component calls retryable.
    Transient,
    /// The step took longer than its timeout.
    Timeout,
    /// Every error, also those that the component calls final.
    Any,
}

/// What to do with a failed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again after this delay.
    After(Duration),
    /// The attempts are used up.
    Exhausted,
    /// The policy does not retry this error.
    Final,
}

impl Default for RetryPolicy {
    /// Five attempts, 2 s doubling up to 10 min, for transient errors and timeouts.
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff::Exponential,
            initial: Delay::seconds(2),
            max: Delay::seconds(600),
            on: vec![ErrorClass::Transient, ErrorClass::Timeout],
        }
    }
}

impl RetryPolicy {
    /// Decides about an input whose attempt number `attempt` (from 1) failed with `error`.
    ///
    /// A delay that the other side asked for (`retry_after`) is kept to, but never longer than an hour.
    #[must_use]
    pub fn decide(&self, error: &ErrorInfo, attempt: u32) -> RetryDecision {
        let class = if error.code == "timeout" { ErrorClass::Timeout } else { ErrorClass::Transient };
        let named = self.on.contains(&class) && (error.retryable || class == ErrorClass::Timeout);
        if !named && !self.on.contains(&ErrorClass::Any) {
            return RetryDecision::Final;
        }
        if attempt >= self.attempts {
            return RetryDecision::Exhausted;
        }
        let asked = Duration::from_secs(error.retry_after.unwrap_or(0)).min(Duration::from_secs(3600));
        RetryDecision::After(self.delay(attempt).max(asked))
    }

    /// The delay after the failed attempt number `attempt`.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let failed = attempt.max(1);
        let factor = match self.backoff {
            Backoff::Fixed => 1,
            Backoff::Linear => failed,
            Backoff::Exponential => 1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX),
        };
        self.initial.get().saturating_mul(factor).min(self.max.get())
    }

    /// The longest that a message can spend in this step's retries, its runs not counted.
    #[must_use]
    pub fn longest(&self) -> Duration {
        (1..self.attempts).map(|attempt| self.delay(attempt)).sum()
    }
}

/// The waiting rooms of the broker. A delay is made of stays in them, longest first, so that no message waits behind
/// one with a longer delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// One second.
    S1,
    /// Five seconds.
    S5,
    /// Thirty seconds.
    S30,
    /// Two minutes.
    M2,
    /// Ten minutes.
    M10,
    /// One hour.
    H1,
}

impl Tier {
    /// All tiers, shortest first.
    pub const ALL: [Self; 6] = [Self::S1, Self::S5, Self::S30, Self::M2, Self::M10, Self::H1];

    /// How long a message stays.
    #[must_use]
    pub fn stay(self) -> Duration {
        Duration::from_secs(match self {
            Self::S1 => 1,
            Self::S5 => 5,
            Self::S30 => 30,
            Self::M2 => 120,
            Self::M10 => 600,
            Self::H1 => 3600,
        })
    }

    /// The name, as in the names of queues.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S1 => "1s",
            Self::S5 => "5s",
            Self::S30 => "30s",
            Self::M2 => "2m",
            Self::M10 => "10m",
            Self::H1 => "1h",
        }
    }

    /// The longest tier that does not overshoot `rest`; the shortest one for less than a second; none when nothing is
    /// left to wait (100 ms are nothing).
    #[must_use]
    pub fn for_rest(rest: Duration) -> Option<Self> {
        if rest < Duration::from_millis(100) {
            return None;
        }
        Some(Self::ALL.into_iter().rev().find(|tier| tier.stay() <= rest).unwrap_or(Self::S1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(code: &str, retryable: bool, retry_after: Option<u64>) -> ErrorInfo {
        ErrorInfo { retry_after, ..ErrorInfo::new(code, "x", retryable) }
    }

    #[test]
    fn a_policy_retries_what_it_names_until_its_attempts_are_used_up() {
        let policy = RetryPolicy::default();
        let check = |error: ErrorInfo, attempt, expect| assert_eq!(policy.decide(&error, attempt), expect);
        check(error("http_503", true, None), 1, RetryDecision::After(Duration::from_secs(2)));
        check(error("http_503", true, None), 3, RetryDecision::After(Duration::from_secs(8)));
        check(error("http_503", true, Some(60)), 1, RetryDecision::After(Duration::from_secs(60)));
        check(error("http_503", true, None), 5, RetryDecision::Exhausted);
        check(error("http_404", false, None), 1, RetryDecision::Final);
        check(error("timeout", true, None), 1, RetryDecision::After(Duration::from_secs(2)));
    }

    #[test]
    fn any_retries_final_errors_too() {
        let policy = RetryPolicy { on: vec![ErrorClass::Any], ..RetryPolicy::default() };
        assert!(matches!(policy.decide(&error("http_404", false, None), 1), RetryDecision::After(_)));
    }

    proptest! {
        #[test]
        fn delays_never_shrink_nor_exceed_the_maximum(attempt in 1..200u32) {
            for backoff in [Backoff::Fixed, Backoff::Linear, Backoff::Exponential] {
                let policy = RetryPolicy { backoff, ..RetryPolicy::default() };
                prop_assert!(policy.delay(attempt) <= policy.max.get());
                prop_assert!(policy.delay(attempt) <= policy.delay(attempt + 1));
            }
        }

        #[test]
        fn stays_add_up_to_the_delay(millis in 0..10_000_000u64) {
            let mut rest = Duration::from_millis(millis);
            let mut stays = 0;
            while let Some(tier) = Tier::for_rest(rest) {
                rest = rest.saturating_sub(tier.stay());
                stays += 1;
                prop_assert!(stays < 40);
            }
        }
    }
}
