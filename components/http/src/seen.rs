//! The cursor of a poll: which items were emitted already, the newest first, bounded.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_sdk::protocol::MessageId;

/// How many items are remembered.
pub(crate) const REMEMBERED: usize = 10_000;

/// Fingerprints of emitted items, newest first. 64 bits of SHA-256 each: a cursor of 190 KB at most.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    seen: Vec<String>,
}

impl Seen {
    pub(crate) fn read(state: Option<Value>) -> Self {
        state.and_then(|state| serde_json::from_value(state).ok()).unwrap_or_default()
    }

    /// Keeps the items that are new, in their order, and remembers all of them.
    ///
    /// Items still in the answer stay remembered however many others come and go.
    pub(crate) fn sift(self, items: Vec<Value>, key: Option<&str>) -> (Vec<Value>, Self) {
        let known: HashSet<&str> = self.seen.iter().map(String::as_str).collect();
        let (mut fresh, mut current, mut listed) = (Vec::new(), Vec::new(), HashSet::new());
        for item in items {
            let print = fingerprint(&item, key);
            if listed.insert(print.clone()) {
                if !known.contains(print.as_str()) {
                    fresh.push(item);
                }
                current.push(print);
            }
        }
        let rest = self.seen.iter().filter(|print| !listed.contains(*print)).cloned();
        let seen = current.iter().cloned().chain(rest).take(REMEMBERED.max(current.len())).collect();
        (fresh, Self { seen })
    }
}

fn fingerprint(item: &Value, key: Option<&str>) -> String {
    let told_by =
        key.map(|key| at(item, key).cloned().unwrap_or(Value::Null)).filter(|value| !value.is_null());
    let text = told_by.as_ref().unwrap_or(item).to_string();
    let kind = if told_by.is_some() { "key" } else { "content" };
    format!("{:016x}", MessageId::derive(kind, text.as_bytes()).bits() >> 64)
}

/// Follows a dotted path; `$.` before it is allowed, numbers are places in a list.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.trim_start_matches('$').trim_start_matches('.');
    path.split('.').filter(|part| !part.is_empty()).try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_is_new_once() {
        let (fresh, seen) =
            Seen::default().sift(vec![json!({ "id": 1, "n": 1 }), json!({ "id": 2 })], Some("id"));
        assert_eq!(fresh.len(), 2);
        let (fresh, _) = seen.sift(vec![json!({ "id": 1, "n": 2 }), json!({ "id": 3 })], Some("id"));
        assert_eq!(fresh, [json!({ "id": 3 })]);
    }

    #[test]
    fn without_a_key_the_content_decides() {
        let (_, seen) = Seen::default().sift(vec![json!({ "a": 1 })], None);
        let (fresh, _) = seen.sift(vec![json!({ "a": 1 }), json!({ "a": 2 }), json!({ "a": 2 })], None);
        assert_eq!(fresh, [json!({ "a": 2 })]);
    }

    #[test]
    fn the_memory_is_bounded_and_drops_the_oldest() {
        let items = |range: std::ops::Range<usize>| range.map(Value::from).collect::<Vec<_>>();
        let (_, seen) = Seen::default().sift(items(0..REMEMBERED), None);
        let (_, seen) = seen.sift(items(REMEMBERED..REMEMBERED + 10), None);
        assert_eq!(seen.seen.len(), REMEMBERED);
        assert!(serde_json::to_string(&seen).unwrap().len() < 200_000);
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let value = json!({ "data": [{ "x": 7 }] });
        assert_eq!(at(&value, "data.0.x"), Some(&json!(7)));
        assert_eq!(at(&value, "$.data.0"), Some(&json!({ "x": 7 })));
        assert_eq!(at(&value, "data.y"), None);
    }
}
