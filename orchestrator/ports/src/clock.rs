//! Time and randomness.

use chrono::{DateTime, Utc};

/// The wall clock. Intervals are measured with tokio's monotonic clock instead.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// A source of randomness that nobody can predict.
pub trait Entropy: Send + Sync {
    /// 128 random bits, for ids.
    fn bits(&self) -> u128;

    /// 256 random bits, for tokens and passwords.
    fn secret(&self) -> [u8; 32];
}
