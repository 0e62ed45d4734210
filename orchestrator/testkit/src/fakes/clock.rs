//! A wall clock that is moved by hand.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_ports::Clock;

use super::lock;

/// A wall clock that is moved by hand. It begins at noon of 2026-01-01, UTC.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        *lock(&self.0) += by;
    }

    /// Sets it, also backwards.
    pub fn set(&self, now: DateTime<Utc>) {
        *lock(&self.0) = now;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_767_268_800, 0).expect("a time that exists"))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *lock(&self.0)
    }
}
