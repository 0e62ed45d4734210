//! Strict JSON: bounded in depth and in values, without keys that stand twice, without numbers that would be changed.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::problem::{ErrorCode, Refusal};

/// How deep a body may nest.
const DEPTH: usize = 64;
/// How many values a body may have: an empty list costs two bytes in a body and thirty-two in memory.
const VALUES: usize = 500_000;

/// Reads a body.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bad = |detail: String| Refusal::new(ErrorCode::BadBody, detail);
    numbers(bytes).map_err(bad)?;
    let mut strict = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(VALUES);
    let checked = Strict { depth: 0, left: &left }.deserialize(&mut strict).and_then(|()| strict.end());
    checked.map_err(|error| bad(error.to_string()))?;
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            Category::Data if path == "." => Refusal::new(ErrorCode::BadField, inner.to_string()),
            Category::Data => Refusal::new(ErrorCode::BadField, format!("`{path}`: {inner}")),
            Category::Io | Category::Syntax | Category::Eof => bad(inner.to_string()),
        }
    })
}

/// Refuses whole numbers that only a double could hold, because it would hold another number.
fn numbers(bytes: &[u8]) -> Result<(), String> {
    let (mut at, mut quoted) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'-' | b'0'..=b'9' if !quoted => {
                let rest = &bytes[at..];
                let end =
                    rest.iter().position(|byte| !b"+-.eE0123456789".contains(byte)).unwrap_or(rest.len());
                let text = std::str::from_utf8(&rest[..end]).unwrap_or_default();
                let whole = !text.contains(['.', 'e', 'E']);
                if whole && text.len() > 18 && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                    let shown: String = text.chars().take(40).collect();
                    return Err(format!("the number {shown} cannot be kept exactly; send it as a text"));
                }
                at += end.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Walks through a value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    /// Values that may still come.
    left: &'c Cell<usize>,
}

impl Strict<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format!("the body nests deeper than {DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format!("the body has more than {VALUES} values")));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                let shown: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format!("the key `{shown}` stands twice in one object")));
            }
            keys.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[track_caller]
    fn check(text: &str, fits: bool) {
        assert_eq!(read::<Value>(text.as_bytes()).is_ok(), fits, "{text}");
    }

    #[test]
    fn what_would_be_changed_in_silence_is_refused() {
        check(r#"{"a": 18446744073709551615, "b": -9223372036854775808, "c": 1.5e3}"#, true);
        check("123456789012345678901234567890", false);
        check(r#""123456789012345678901234567890 \" 123456789012345678901234567890""#, true);
        check("1e999", false);
        check(r#"{"a": 1, "a": 2}"#, false);
        check(r#"{"a": 1, "\u0061": 2}"#, false);
        check(r#""\ud800""#, false);
        check("\u{feff}{}", false);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        check(&nested(64), true);
        check(&nested(65), false);
        check(&nested(100_000), false);
    }

    #[test]
    fn values_are_counted() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(read::<Value>(list(VALUES).as_bytes()).is_ok());
        assert!(read::<Value>(list(VALUES + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_wrong_field_is_named_with_its_path() {
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only read")]
            inner: Vec<u8>,
        }
        let refusal = read::<Outer>(br#"{"inner": [1, "x"]}"#).unwrap_err();
        assert!(refusal.present("").detail.starts_with("`inner[1]`"), "{refusal:?}");
    }
}
