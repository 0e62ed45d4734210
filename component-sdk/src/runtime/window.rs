//! The ids that this process answers for: what it holds, and what it has recently finished.
//!
//! A delivery that comes back after a lost connection is no sign of a crash while the container lived on. The window
//! tells the two apart: known ids are answered from here, unknown ones are suspects. No record runs twice at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_protocol::{Envelope, MessageId};
use tokio::sync::mpsc::UnboundedSender;

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
    /// It is queued or running: its end answers this delivery too, or has it come again where it was taken from.
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
    Held(Arc<Ticket>, Vec<Again>),
    Finished,
}

/// A record that was delivered while it was held.
struct Again {
    sent: Sent,
    redelivered: bool,
    returns: UnboundedSender<Sent>,
}

/// A record of a delivery.
pub(crate) struct Sent {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) ticket: Arc<Ticket>,
}

impl Window {
    /// Judges a record. One that is held already may come by `returns`, to be judged anew.
    pub(crate) fn admit(
        &self,
        (key, sent): (Key, &Sent),
        redelivered: bool,
        returns: &UnboundedSender<Sent>,
    ) -> Admission {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.slots.get_mut(&key) {
            Some(Slot::Held(_, again)) => {
                let sent = Sent { envelope: Arc::clone(&sent.envelope), ticket: Arc::clone(&sent.ticket) };
                again.push(Again { sent, redelivered, returns: returns.clone() });
                return Admission::Attached;
            }
            Some(Slot::Finished) if redelivered => return Admission::Finished,
            // The router sent the same input anew, for example after a redrive: that is a run of its own.
            Some(Slot::Finished) | None => {}
        }
        inner.slots.insert(key, Slot::Held(Arc::clone(&sent.ticket), Vec::new()));
        if redelivered { Admission::Suspect } else { Admission::Run }
    }

    /// Ends the hold on a record whose outcome is confirmed. Returns the deliveries that this answers.
    ///
    /// Only a success is remembered: the router may send an input again with the same numbers after any other outcome,
    /// and such a message must not be mistaken for the one that was answered. It may even have come before the confirm of
    /// the outcome that it follows from: so what came meanwhile, and is no redelivery, is judged anew.
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
        drop(inner);
        let (first, again) = match held {
            Some(Slot::Held(first, again)) => (Some(first), again),
            Some(Slot::Finished) | None => (None, Vec::new()),
        };
        let answered = again.into_iter().filter_map(move |Again { sent, redelivered, returns }| {
            if success || redelivered {
                return Some(sent.ticket);
            }
            // When its lane is gone, so is its channel: the broker delivers it again.
            returns.send(sent).ok();
            None
        });
        first.into_iter().chain(answered)
    }
}

#[cfg(test)]
mod tests {
    use lapin::message::Delivery;
    use tokio::sync::mpsc;

    use super::*;

    fn sent(id: u128) -> Sent {
        let delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        let ticket = Arc::new(Ticket::new(delivery.acker, 1, mpsc::channel(1).0));
        let envelope =
            serde_json::json!({ "id": MessageId::from_bits(id), "step": "flow_1/1/act", "body": 1 });
        Sent { envelope: Arc::new(serde_json::from_value(envelope).unwrap()), ticket }
    }

    fn key(id: u128) -> Key {
        Key { id: MessageId::from_bits(id), attempt: 1, suspected: 0 }
    }

    fn admit(window: &Window, id: u128, redelivered: bool) -> Admission {
        window.admit((key(id), &sent(id)), redelivered, &mpsc::unbounded_channel().0)
    }

    #[test]
    fn what_comes_back_unknown_is_a_suspect() {
        let window = Window::default();
        assert_eq!(admit(&window, 1, false), Admission::Run);
        assert_eq!(admit(&window, 2, true), Admission::Suspect);
    }

    #[test]
    fn what_comes_back_while_held_is_answered_by_the_same_run() {
        let window = Window::default();
        assert_eq!(admit(&window, 1, false), Admission::Run);
        assert_eq!(admit(&window, 1, true), Admission::Attached);
        assert_eq!(window.finish(key(1), true).count(), 2);
        assert_eq!(admit(&window, 1, true), Admission::Finished);
    }

    #[test]
    fn only_a_success_is_remembered() {
        let window = Window::default();
        assert_eq!(admit(&window, 1, false), Admission::Run);
        assert_eq!(window.finish(key(1), false).count(), 1);
        assert_eq!(admit(&window, 1, true), Admission::Suspect);
    }

    #[test]
    fn what_is_sent_anew_before_the_confirm_of_what_gave_it_back_is_not_answered_by_that() {
        let window = Window::default();
        let (returns, mut returned) = mpsc::unbounded_channel();
        assert_eq!(admit(&window, 1, false), Admission::Run);
        // It was given back, and the router sent it again, before the confirm came.
        let anew = sent(1);
        assert_eq!(window.admit((key(1), &anew), false, &returns), Admission::Attached);
        assert_eq!(window.admit((key(1), &sent(1)), true, &returns), Admission::Attached);
        assert_eq!(window.finish(key(1), false).count(), 2, "the first, and the same delivered again");
        let returned_one = returned.try_recv().unwrap();
        assert!(Arc::ptr_eq(&returned_one.ticket, &anew.ticket) && returned.try_recv().is_err());
        assert_eq!(window.admit((key(1), &returned_one), false, &returns), Admission::Run);
        // A success answers each copy.
        assert_eq!(window.admit((key(1), &sent(1)), false, &returns), Admission::Attached);
        assert_eq!(window.finish(key(1), true).count(), 2);
        assert!(returned.try_recv().is_err());
    }

    #[test]
    fn the_window_is_bounded() {
        let window = Window::default();
        for id in 0..=(FINISHED as u128) {
            admit(&window, id, false);
            assert_eq!(window.finish(key(id), true).count(), 1);
        }
        assert_eq!(admit(&window, 0, true), Admission::Suspect);
        assert_eq!(admit(&window, 1, true), Admission::Finished);
    }
}
