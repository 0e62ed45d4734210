//! How long a call has been computing, without the time that it waited for its host.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The clock of one call. Another thread may read it while the call is under way.
#[derive(Debug, Default)]
pub struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What was computed before.
    before: Duration,
    /// Since when it is computing; nothing before the call, after it, and while it waits for the host.
    since: Option<Instant>,
}

impl Clock {
    /// How long the call has been computing so far.
    #[must_use]
    pub fn computed(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.before + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(crate) fn run(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since.get_or_insert_with(Instant::now);
    }

    pub(crate) fn pause(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.since.take() {
            state.before += since.elapsed();
        }
    }
}
