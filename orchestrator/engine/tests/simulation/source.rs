//! The system that the listener listens to. It keeps what was not acknowledged, as a queue does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// A message of the source.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) number: u64,
    pub(crate) body: serde_json::Value,
}

/// The source.
pub(crate) struct Source {
    begun: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Those that nobody has, with the times from which they can be had.
    waiting: BTreeMap<u64, (Duration, Item)>,
    /// Those that a client has.
    taken: BTreeMap<u64, (u64, Item)>,
    acknowledged: u64,
}

impl Source {
    pub(crate) fn new(items: impl IntoIterator<Item = (Duration, Item)>) -> Self {
        let waiting = items.into_iter().map(|(at, item)| (item.number, (at, item))).collect();
        let state = State { waiting, ..State::default() };
        Self { begun: Instant::now(), state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message for a client. Cancel-safe.
    pub(crate) async fn next(&self, client: u64) -> Item {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = self.state().waiting.first_key_value().map(|(number, (at, _))| (*number, *at));
            match next {
                Some((number, at)) if self.begun + at <= Instant::now() => {
                    let mut state = self.state();
                    if let Some((_, item)) = state.waiting.remove(&number) {
                        state.taken.insert(number, (client, item.clone()));
                        return item;
                    }
                }
                Some((_, at)) => drop(tokio::time::timeout_at(self.begun + at, changed).await),
                None => changed.await,
            }
        }
    }

    /// A client is done with a message.
    pub(crate) fn acknowledge(&self, client: u64, number: u64) {
        let mut state = self.state();
        if state.taken.get(&number).is_some_and(|(holder, _)| *holder == client) {
            state.taken.remove(&number);
            state.acknowledged += 1;
        }
    }

    /// A client is gone: what it has not acknowledged can be had again.
    pub(crate) fn forget(&self, client: u64) {
        let mut state = self.state();
        let back: Vec<_> = state.taken.extract_if(.., |_, (holder, _)| *holder == client).collect();
        for (number, (_, item)) in back {
            state.waiting.insert(number, (Duration::ZERO, item));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// How many messages are not acknowledged yet.
    pub(crate) fn left(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.taken.len()
    }
}
