//! JSON (RFC 8259) and JSON by lines, read within depth and number of values.
//!
//! Reading goes through a visitor of its own, since serde_json bounds depth only, and at one figure.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{FormatError, FormatErrorCode, Place};
use crate::limits::{Limits, Meter};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one JSON text; a key that repeats has its last value.
pub(crate) fn decode_json(bytes: &[u8], limits: &Limits) -> Result<Value, FormatError> {
    read(without_mark(bytes), 1, &Meter::new(limits), limits)
}

/// Reads a JSON text from each line that is not blank.
pub(crate) fn decode_ndjson(bytes: &[u8], limits: &Limits) -> Result<Value, FormatError> {
    let meter = Meter::new(limits);
    let mut found = Vec::new();
    for (index, line) in without_mark(bytes).split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if found.len() == limits.rows {
            let place = Place::Line { line: index + 1, column: 1 };
            return Err(FormatError::new(FormatErrorCode::TooMany, place, limits.too_many_rows()));
        }
        found.push(read(line, index + 1, &meter, limits)?);
    }
    Ok(Value::Array(found))
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Reads one text that begins on the given line of the body.
fn read(bytes: &[u8], first_line: usize, meter: &Meter, limits: &Limits) -> Result<Value, FormatError> {
    let exceeded = Cell::new(None);
    let node = Node { meter, exceeded: &exceeded, limits, depth: 0 };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = node.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let place =
            Place::Line { line: first_line + error.line().saturating_sub(1), column: error.column().max(1) };
        match exceeded.get() {
            Some(FormatErrorCode::TooDeep) => {
                FormatError::new(FormatErrorCode::TooDeep, place, limits.too_deep())
            }
            Some(code) => FormatError::new(code, place, limits.too_many()),
            None => FormatError::new(FormatErrorCode::Json, place, reason(&error)),
        }
    })
}

/// The sentence of serde_json without the place, which it appends and which is said already. It
/// never quotes the input where any value will do.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// One value to read, and what it may cost.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    meter: &'a Meter,
    /// Which limit was exceeded; serde_json's error cannot say.
    exceeded: &'a Cell<Option<FormatErrorCode>>,
    limits: &'a Limits,
    depth: usize,
}

impl Node<'_> {
    fn exceed<E: serde::de::Error>(self, code: FormatErrorCode) -> E {
        self.exceeded.set(Some(code));
        E::custom("limit")
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == self.limits.deepest() {
            return Err(self.exceed(FormatErrorCode::TooDeep));
        }
        Ok(Node { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if !self.meter.take() {
            return Err(self.exceed(FormatErrorCode::TooMany));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = members.next_value_seed(inner)?;
            object.insert(name, member);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read() {
        for (body, expect) in [
            ("null", json!(null)),
            (
                " [1, -2, 18446744073709551615, 1.5, \"\\u00e4\", true, {}] ",
                json!([1, -2, u64::MAX, 1.5, "ä", true, {}]),
            ),
            ("\u{feff}{\"a\":{\"b\":1},\"a\":2}", json!({ "a": 2 })),
        ] {
            assert_eq!(decode_json(body.as_bytes(), &Limits::default()), Ok(expect), "{body}");
        }
    }

    #[test]
    fn faults_name_their_line_and_column() {
        for (body, line, column) in [
            ("", 1, 1),
            ("{\n  \"a\": x}", 2, 8),
            ("[1,]", 1, 4),
            ("1 2", 1, 3),
            ("[1e999]", 1, 6),
            ("\"\\ud800\"", 1, 8),
        ] {
            let error = decode_json(body.as_bytes(), &Limits::default()).expect_err(body);
            assert_eq!(
                (error.code, &error.place),
                (FormatErrorCode::Json, &Place::Line { line, column }),
                "{body}"
            );
            assert!(!error.reason.contains(" at line "), "{error}");
        }
        assert!(decode_json(b"\"\xff\"", &Limits::default()).is_err());
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let limits = Limits { depth: 2, nodes: 4, ..Limits::default() };
        let deepest = Limits { depth: 100_000, nodes: 100_000, ..Limits::default() };
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (body, limits, expect) in [
            ("[[1]]".to_owned(), &limits, None),
            ("[[[]]]".to_owned(), &limits, Some(FormatErrorCode::TooDeep)),
            ("{\"a\":[{}]}".to_owned(), &limits, Some(FormatErrorCode::TooDeep)),
            ("[1,2,3]".to_owned(), &limits, None),
            ("[1,2,3,4]".to_owned(), &limits, Some(FormatErrorCode::TooMany)),
            (nested(126), &deepest, None),
            (nested(127), &deepest, Some(FormatErrorCode::TooDeep)),
            (nested(50_000), &deepest, Some(FormatErrorCode::TooDeep)),
        ] {
            let code = decode_json(body.as_bytes(), limits).err().map(|error| error.code);
            assert_eq!(code, expect, "{}", &body[..body.len().min(20)]);
        }
    }

    #[test]
    fn lines_are_an_array() {
        for (body, expect) in [
            ("", json!([])),
            ("\n \r\n", json!([])),
            ("{\"a\":1}\r\n\n[2]\n\"x\"", json!([{ "a": 1 }, [2], "x"])),
        ] {
            assert_eq!(decode_ndjson(body.as_bytes(), &Limits::default()), Ok(expect), "{body}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let limits = Limits { rows: 2, nodes: 5, ..Limits::default() };
        for (body, code, line) in [
            ("1\n\n{\n}", FormatErrorCode::Json, 3),
            ("1\n2 3", FormatErrorCode::Json, 2),
            ("1\n2\n\n3", FormatErrorCode::TooMany, 4),
            ("[1,2]\n[3,4]", FormatErrorCode::TooMany, 2),
        ] {
            let error = decode_ndjson(body.as_bytes(), &limits).expect_err(body);
            let Place::Line { line: found, .. } = error.place else { panic!("{error}") };
            assert_eq!((error.code, found), (code, line), "{body}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(values in proptest::collection::vec(any_json(), 1..4)) {
            let lines: Vec<String> = values.iter().map(Value::to_string).collect();
            prop_assert_eq!(decode_json(lines[0].as_bytes(), &Limits::default()).unwrap(), values[0].clone());
            prop_assert_eq!(decode_ndjson(lines.join("\n").as_bytes(), &Limits::default()).unwrap(), json!(values));
        }
    }
}
