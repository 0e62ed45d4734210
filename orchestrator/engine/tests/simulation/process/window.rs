//! What a process answers for: what it holds, and what it has finished. The rules are those of the SDK's window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_protocol::{Envelope, MessageId};

use super::lane::Ticket;

/// One sending of one input: its id, attempt and suspicions.
pub(super) type Key = (MessageId, u32, u32);

pub(super) fn key(envelope: &Envelope) -> Key {
    (envelope.id, envelope.attempt, envelope.suspected)
}

/// What to do with a record that was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Run,
    Suspect,
    Attached,
    Finished,
}

#[derive(Default)]
pub(super) struct Window(Mutex<BTreeMap<Key, Option<Vec<Arc<Ticket>>>>>);

impl Window {
    pub(super) fn admit(&self, key: Key, redelivered: bool, ticket: &Arc<Ticket>) -> Admission {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get_mut(&key) {
            Some(Some(held)) => {
                held.push(ticket.clone());
                return Admission::Attached;
            }
            Some(None) if redelivered => return Admission::Finished,
            Some(None) | None => {}
        }
        slots.insert(key, Some(vec![ticket.clone()]));
        if redelivered { Admission::Suspect } else { Admission::Run }
    }

    /// The deliveries that the end of a record answers. Only a success is remembered.
    pub(super) fn finish(&self, key: Key, success: bool) -> Vec<Arc<Ticket>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = slots.remove(&key).flatten();
        if success {
            slots.insert(key, None);
        }
        held.unwrap_or_default()
    }
}
