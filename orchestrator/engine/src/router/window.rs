//! The window of recent outcomes of a shard: what came again is recognised.
//!
//! It holds at least the last `capacity` keys in two generations; when the younger is full, the older is forgotten.

use std::collections::HashSet;

use sluice_protocol::{MessageId, Outcome, Status};

use super::failure::repeats;

/// What makes an outcome the same as one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    input: MessageId,
    attempt: u32,
    suspected: u32,
    /// Which part of a run: the offset of a partial outcome, one more than any offset for the end.
    part: u64,
}

impl Key {
    /// The key of an outcome. One that sends its input again as the same attempt has none: what comes of that has the
    /// same numbers, and would be taken for this one and dropped.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        if repeats(outcome) {
            return None;
        }
        let part = if outcome.status == Status::Partial { outcome.offset } else { u64::MAX };
        Some(Self { input: outcome.input, attempt: outcome.attempt, suspected: outcome.suspected, part })
    }

    /// The key of a replay.
    pub(crate) fn replay(id: MessageId) -> Self {
        Self { input: id, attempt: 0, suspected: 0, part: 0 }
    }
}

/// The window.
#[derive(Debug)]
pub(crate) struct Window {
    capacity: usize,
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, young: HashSet::new(), old: HashSet::new() }
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.young.contains(key) || self.old.contains(key)
    }

    pub(crate) fn insert(&mut self, key: Key) {
        if self.young.len() >= self.capacity {
            // The table of the forgotten ones is large enough for the next.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(input: u128) -> Key {
        Key::replay(MessageId::from_bits(input))
    }

    proptest! {
        #[test]
        fn the_last_keys_are_remembered_and_memory_is_bounded(inputs in proptest::collection::vec(0..500u128, 1..400)) {
            let mut window = Window::new(50);
            for (count, input) in inputs.iter().enumerate() {
                window.insert(key(*input));
                for recent in inputs[..=count].iter().rev().take(50) {
                    prop_assert!(window.contains(&key(*recent)));
                }
                prop_assert!(window.young.len() + window.old.len() <= 100);
            }
        }
    }
}
