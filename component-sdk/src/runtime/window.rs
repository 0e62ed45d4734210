//! The ids that this process answers for: what it holds, and what it has recently finished.
//!
//! A delivery that comes back after a lost connection is no sign of a crash while the container lived on. The window
//! tells the two apart: known ids are answered from here, unknown ones are suspects. No record runs twice at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_protocol::{Envelope, MessageId};

use super::ticket::Ticket;

/// How many finished ids are remembered.
const FINISHED: usize = 20_000;

/// One sending of one input. A retry or a re-send after suspicion is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    id: MessageId,
    attempt: u32,
    suspected: u32,
}

impl From<&Envelope> for Key {
    fn from(envelope: &Envelope) -> Self {
        Self { id: envelope.id, attempt: envelope.attempt, suspected: envelope.suspected }
    }
}

/// What to do with a record that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is new: run it.
    Run,
    /// It came back, and this process knows nothing of it: bounce it.
    Suspect,
    /// It is queued or running: its end answers this delivery too.
    Attached,
    /// Its outcome is stored already.
    Finished,
}

/// The ids held and finished.
#[derive(Default)]
pub(crate) struct Window(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    slots: HashMap<Key, Slot>,
    finished: VecDeque<Key>,
}

enum Slot {
    /// The delivery that brought it, and those that brought it again.
    Held(Arc<Ticket>, Vec<Arc<Ticket>>),
    Finished,
}

impl Window {
    pub(crate) fn admit(&self, key: Key, redelivered: bool, ticket: &Arc<Ticket>) -> Admission {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.slots.get_mut(&key) {
            Some(Slot::Held(_, again)) => {
                again.push(Arc::clone(ticket));
                return Admission::Attached;
            }
            Some(Slot::Finished) if redelivered => return Admission::Finished,
            // The router sent the same input anew, for example after a redrive: that is a run of its own.
            Some(Slot::Finished) | None => {}
        }
        inner.slots.insert(key, Slot::Held(Arc::clone(ticket), Vec::new()));
        if redelivered { Admission::Suspect } else { Admission::Run }
    }

    /// Ends the hold on a record whose outcome is confirmed. Returns the deliveries that this answers.
    ///
    /// Only a success is remembered: the router may send an input again with the same numbers after any other outcome,
    /// and such a message must not be mistaken for the one that was answered.
    pub(crate) fn finish(&self, key: Key, success: bool) -> impl Iterator<Item = Arc<Ticket>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = if success { inner.slots.insert(key, Slot::Finished) } else { inner.slots.remove(&key) };
        if success {
            inner.finished.push_back(key);
            if inner.finished.len() > FINISHED
                && let Some(oldest) = inner.finished.pop_front()
                && matches!(inner.slots.get(&oldest), Some(Slot::Finished))
            {
                inner.slots.remove(&oldest);
            }
        }
        let (first, again) = match held {
            Some(Slot::Held(first, again)) => (Some(first), again),
            Some(Slot::Finished) | None => (None, Vec::new()),
        };
        first.into_iter().chain(again)
    }
}

#[cfg(test)]
mod tests {
    use lapin::message::Delivery;
    use tokio::sync::mpsc;

    use super::*;

    fn ticket() -> Arc<Ticket> {
        let delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        Arc::new(Ticket::new(delivery.acker, 1, mpsc::channel(1).0))
    }

    fn key(id: u128) -> Key {
        Key { id: MessageId::from_bits(id), attempt: 1, suspected: 0 }
    }

    #[test]
    fn what_comes_back_unknown_is_a_suspect() {
        let window = Window::default();
        assert_eq!(window.admit(key(1), false, &ticket()), Admission::Run);
        assert_eq!(window.admit(key(2), true, &ticket()), Admission::Suspect);
    }

    #[test]
    fn what_comes_back_while_held_is_answered_by_the_same_run() {
        let window = Window::default();
        assert_eq!(window.admit(key(1), false, &ticket()), Admission::Run);
        assert_eq!(window.admit(key(1), true, &ticket()), Admission::Attached);
        assert_eq!(window.finish(key(1), true).count(), 2);
        assert_eq!(window.admit(key(1), true, &ticket()), Admission::Finished);
    }

    #[test]
    fn only_a_success_is_remembered() {
        let window = Window::default();
        assert_eq!(window.admit(key(1), false, &ticket()), Admission::Run);
        assert_eq!(window.finish(key(1), false).count(), 1);
        assert_eq!(window.admit(key(1), true, &ticket()), Admission::Suspect);
    }

    #[test]
    fn the_window_is_bounded() {
        let window = Window::default();
        for id in 0..=(FINISHED as u128) {
            window.admit(key(id), false, &ticket());
            assert_eq!(window.finish(key(id), true).count(), 1);
        }
        assert_eq!(window.admit(key(0), true, &ticket()), Admission::Suspect);
        assert_eq!(window.admit(key(1), true, &ticket()), Admission::Finished);
    }
}
