//! What runs emit before they end, kept until history gets it with their end.
//!
//! A function that returns its outputs tells them with its one outcome. One that emits while it runs tells them in partial
//! outcomes, and how it ended in a last one. History has one list of outputs for both.
//!
//! It is kept in memory, cut as history cuts it, and bounded: in two generations, of which the older is forgotten when the
//! younger is full. Of what was forgotten, or told to a process that died, history has the size of the rest and no text.

use std::collections::HashMap;

use sluice_domain::RecordedBody;
use sluice_protocol::{MessageId, Outcome, Status};

use super::pass::{Cx, recorded};
use super::route::items_text;

/// Bytes of a generation.
const GENERATION_BYTES: usize = 4 * 1024 * 1024;
/// What a list costs besides its text.
const LIST_BYTES: usize = 256;

/// What an outcome adds to what its run emitted.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) input: MessageId,
    attempt: u32,
    /// How many outputs were emitted before these.
    offset: u64,
    /// How many these are.
    count: u64,
    /// These as JSON, without the brackets of a list.
    items: RecordedBody,
    /// Whether the run has ended.
    is_last: bool,
    /// How much of a text history keeps.
    most: usize,
}

impl Part {
    /// The part that an outcome tells.
    pub(crate) fn of(cx: &Cx<'_>, outcome: &Outcome) -> Self {
        Self {
            input: outcome.input,
            attempt: outcome.attempt,
            offset: outcome.offset,
            count: outcome.outputs.len() as u64,
            items: recorded(items_text(&outcome.outputs), cx.recorded_bytes),
            is_last: outcome.status != Status::Partial,
            most: cx.recorded_bytes,
        }
    }
}

/// What a run emitted until now.
#[derive(Debug)]
struct List {
    attempt: u32,
    count: u64,
    /// The list without the bracket that closes it, or its beginning.
    text: String,
    /// How many bytes the whole has.
    bytes: u64,
}

impl List {
    fn new(attempt: u32) -> Self {
        Self { attempt, count: 0, text: "[".to_owned(), bytes: 1 }
    }

    /// A list whose beginning nobody knows.
    fn headless(attempt: u32, count: u64) -> Self {
        Self { attempt, count, text: String::new(), bytes: 1 }
    }

    fn add(&mut self, part: &Part) {
        if self.count > 0 && part.count > 0 {
            self.push(",", 1, part.most);
        }
        self.push(&part.items.text, part.items.bytes, part.most);
        self.count += part.count;
    }

    /// Appends a text of so many bytes, or its beginning.
    fn push(&mut self, text: &str, bytes: u64, most: usize) {
        if self.text.len() as u64 == self.bytes {
            self.text.push_str(text);
            self.text = recorded(std::mem::take(&mut self.text), most).text;
        }
        self.bytes += bytes;
    }

    fn cost(&self) -> usize {
        LIST_BYTES + self.text.len()
    }
}

/// What runs that are under way emitted until now.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    young: HashMap<MessageId, List>,
    old: HashMap<MessageId, List>,
    /// Bytes of the younger.
    bytes: usize,
}

impl Emitted {
    /// Takes a part. With the last one it gives all that the run emitted.
    pub(crate) fn take(&mut self, part: &Part) -> Option<RecordedBody> {
        let mut list = match self.remove(part.input) {
            Some(list) if list.attempt == part.attempt && list.count == part.offset => list,
            // A run that begins again begins from nothing.
            _ if part.offset == 0 => List::new(part.attempt),
            _ => List::headless(part.attempt, part.offset),
        };
        list.add(part);
        if !part.is_last {
            self.keep(part.input, list);
            return None;
        }
        list.push("]", 1, part.most);
        Some(RecordedBody { text: list.text, bytes: list.bytes })
    }

    fn remove(&mut self, input: MessageId) -> Option<List> {
        match self.young.remove(&input) {
            Some(list) => {
                self.bytes -= list.cost();
                Some(list)
            }
            None => self.old.remove(&input),
        }
    }

    fn keep(&mut self, input: MessageId, list: List) {
        self.bytes += list.cost();
        self.young.insert(input, list);
        if self.bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(
        (input, attempt): (u128, u32),
        offset: u64,
        items: &[String],
        most: usize,
        is_last: bool,
    ) -> Part {
        let items_text = recorded(items.join(","), most);
        let input = MessageId::from_bits(input);
        Part { input, attempt, offset, count: items.len() as u64, items: items_text, is_last, most }
    }

    proptest! {
        #[test]
        fn outputs_told_in_parts_are_recorded_as_those_told_at_once(
            parts in prop::collection::vec(prop::collection::vec("[a-zé€]{0,9}", 0..4), 1..6),
            most in 0..80usize,
        ) {
            let mut emitted = Emitted::default();
            let (mut offset, mut whole) = (0, None);
            for (number, items) in parts.iter().enumerate() {
                whole = emitted.take(&part((1, 1), offset, items, most, number + 1 == parts.len()));
                offset += items.len() as u64;
            }
            let all: Vec<String> = parts.concat();
            prop_assert_eq!(whole, Some(recorded(format!("[{}]", all.join(",")), most)));
            prop_assert_eq!((emitted.bytes, emitted.young.len()), (0, 0));
        }
    }

    fn text(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_attempt_that_begins_again_begins_its_list_again() {
        let mut emitted = Emitted::default();
        for attempt in [1, 1, 2] {
            assert_eq!(emitted.take(&part((1, attempt), 0, &text(&["1", "2"]), 100, false)), None);
        }
        let whole = emitted.take(&part((1, 2), 2, &text(&["3"]), 100, true));
        assert_eq!(whole, Some(RecordedBody { text: "[1,2,3]".to_owned(), bytes: 7 }));
    }

    #[test]
    fn of_a_list_without_its_beginning_only_a_size_is_known() {
        let mut emitted = Emitted::default();
        assert_eq!(emitted.take(&part((1, 1), 5, &text(&["6"]), 100, false)), None);
        let whole = emitted.take(&part((1, 1), 6, &[], 100, true)).unwrap();
        assert!(whole.is_cut());
        assert_eq!((whole.text.as_str(), whole.bytes), ("", 4));
    }

    #[test]
    fn what_never_ends_is_forgotten_at_last() {
        let (mut emitted, large) = (Emitted::default(), text(&["x".repeat(64 * 1024).as_str()]));
        let most = 64 * 1024;
        for input in 0..1000 {
            emitted.take(&part((input, 1), 0, &large, most, false));
            let kept: usize = emitted.young.values().chain(emitted.old.values()).map(List::cost).sum();
            assert!(kept <= 2 * (GENERATION_BYTES + LIST_BYTES + most), "{kept}");
        }
    }
}
