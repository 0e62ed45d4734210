//! How many requests an instance may make: by the file, and by what the API's answers say. All runs of an instance in this
//! process share it.
//!
//! A request waits for its turn where that is soon. Otherwise it fails as worth another attempt, with the time to wait, so
//! that nothing hammers and nothing holds a place that others could use.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_declarative::RateLimit;
use sluice_sdk::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::quota::Said;
use crate::shelf::Shelf;

/// Longest that a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time that answers can close an instance for. Then one request tries again.
const LONGEST: Duration = Duration::from_secs(3600);

/// The budgets by instance.
pub(crate) type Budgets = Shelf<Budget>;

/// What the file allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// So many requests within so long.
    requests: Option<(usize, Duration)>,
    concurrency: Option<usize>,
    /// Whether answers count.
    learns: bool,
}

impl Rates {
    pub(crate) fn new(limit: Option<&RateLimit>) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        let requests = limit.and_then(|limit| {
            Some((size(limit.requests?), Duration::from_secs(u64::from(limit.per_seconds?))))
        });
        let concurrency = limit.and_then(|limit| limit.concurrency).map(size);
        Self { requests, concurrency, learns: limit.is_none_or(|limit| limit.learn) }
    }
}

/// The budget of one instance.
#[derive(Default)]
pub(crate) struct Budget {
    ledger: Mutex<Ledger>,
    /// The places for requests at a time, and how many there are.
    places: Mutex<Option<(usize, Arc<Semaphore>)>>,
}

/// What was sent, and what answers said.
#[derive(Default)]
struct Ledger {
    /// When requests were sent or will be, oldest first, as far back as the file looks.
    sent: VecDeque<Instant>,
    /// Nothing goes out before.
    closed: Option<Instant>,
    /// How many requests are left until then.
    left: Option<(u64, Instant)>,
    /// Requests without an answer.
    running: u64,
}

/// A request's turn. It is over when this is dropped.
pub(crate) struct Turn<'b> {
    budget: &'b Budget,
    learns: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// Waits for the turn of a request, no longer than `until`.
    ///
    /// # Errors
    /// `rate_limited`, worth another attempt, where it would have to wait for long.
    pub(crate) async fn turn(&self, rates: &Rates, until: Option<Instant>) -> Result<Turn<'_>, Error> {
        let latest = Instant::now() + PATIENCE;
        let latest = until.map_or(latest, |until| until.min(latest));
        let place = match rates.concurrency {
            None => None,
            Some(most) => {
                let place = timeout_at(latest, self.places(most).acquire_owned()).await;
                let place = place.map_err(|_| later(&format!("{most} requests are under way"), PATIENCE))?;
                Some(place.map_err(|_| later("no more requests are made", PATIENCE))?)
            }
        };
        loop {
            let now = Instant::now();
            let booked = self.ledger().book(now, rates, latest);
            let at = booked.map_err(|wait| later("its requests are used up", wait))?;
            if at > now {
                sleep_until(at).await;
            }
            let mut ledger = self.ledger();
            // An answer may have closed it meanwhile.
            if ledger.closed.is_none_or(|closed| closed <= Instant::now()) {
                ledger.running += 1;
                return Ok(Turn { budget: self, learns: rates.learns, _place: place });
            }
            ledger.forget(at);
        }
    }

    fn places(&self, most: usize) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        match places.as_ref() {
            Some((known, places)) if *known == most => Arc::clone(places),
            // Another version of the connector may have another number.
            Some(_) | None => {
                let fresh = Arc::new(Semaphore::new(most));
                *places = Some((most, Arc::clone(&fresh)));
                fresh
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Books the next request, or says how long it would have to wait if that is beyond `latest`.
    fn book(&mut self, now: Instant, rates: &Rates, latest: Instant) -> Result<Instant, Duration> {
        self.closed = self.closed.filter(|closed| *closed > now);
        self.left = self.left.filter(|(_, until)| *until > now);
        let mut at = self.closed.unwrap_or(now);
        if let Some((0, until)) = self.left {
            at = at.max(until);
        }
        if let Some((most, per)) = rates.requests {
            while self.sent.front().is_some_and(|sent| *sent + per <= now) {
                self.sent.pop_front();
            }
            if let Some(before) = self.sent.len().checked_sub(most) {
                at = at.max(self.sent[before] + per);
            }
        }
        if at > latest {
            return Err(at - now);
        }
        if rates.requests.is_some() {
            let place = self.sent.partition_point(|sent| *sent <= at);
            self.sent.insert(place, at);
        }
        if let Some((count, _)) = &mut self.left {
            *count = count.saturating_sub(1);
        }
        Ok(at)
    }

    /// Takes back a request that was not made.
    fn forget(&mut self, at: Instant) {
        if let Some(place) = self.sent.iter().position(|sent| *sent == at) {
            self.sent.remove(place);
        }
    }
}

impl Turn<'_> {
    /// Takes to heart what an answer said.
    pub(crate) fn learn(&self, said: Said) {
        if !self.learns {
            return;
        }
        let (now, mut ledger) = (Instant::now(), self.budget.ledger());
        if let Some(wait) = said.wait {
            let closed = now + wait.min(LONGEST);
            ledger.closed = Some(ledger.closed.map_or(closed, |known| known.max(closed)));
        }
        if let Some((count, wait)) = said.left {
            // Those under way may not be counted yet.
            let others = ledger.running.saturating_sub(1);
            ledger.left = Some((count.saturating_sub(others), now + wait.min(LONGEST)));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut ledger = self.budget.ledger();
        ledger.running = ledger.running.saturating_sub(1);
    }
}

fn later(why: &str, wait: Duration) -> Error {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let text = format!("the API takes no more requests of this instance for {seconds} s: {why}");
    Error::retryable("rate_limited", text).retry_after(wait)
}

#[cfg(test)]
mod tests;
