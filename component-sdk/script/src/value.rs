//! Values on their way into the engine and out of it: as JSON.
//!
//! JavaScript has one kind of number, the double: integers beyond 2^53 lose their last digits, and `1.0` comes back as `1`.
//! `undefined` becomes `null`.

use serde_json::Value;

/// Whether a value has more levels than `most`.
pub(crate) fn deeper_than(value: &Value, most: usize) -> bool {
    let mut waiting = vec![(value, 0)];
    while let Some((value, depth)) = waiting.pop() {
        let inner = depth + 1;
        match value {
            Value::Array(_) | Value::Object(_) if inner > most => return true,
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, inner))),
            Value::Object(members) => waiting.extend(members.values().map(|member| (member, inner))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

/// Halves of characters, which JavaScript allows in texts and JSON does not, become U+FFFD.
pub(crate) fn mend_surrogates(json: &str) -> String {
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        // An escape has two characters, or six; the engine writes halves, and only those, as `\ud800` to `\udfff`.
        let half = rest[at..].starts_with("\\ud")
            && rest.as_bytes().get(at + 3).is_some_and(|digit| matches!(digit, b'8'..=b'9' | b'a'..=b'f'));
        let length = if half { 6 } else { 2 };
        whole.push_str(&rest[..at]);
        whole.push_str(if half { "\u{fffd}" } else { rest.get(at..at + 2).unwrap_or_default() });
        rest = rest.get(at + length..).unwrap_or_default();
    }
    whole + rest
}
