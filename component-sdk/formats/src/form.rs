//! Forms: `application/x-www-form-urlencoded` (WHATWG URL Standard, section 5).
//!
//! A key that repeats is an array in the order of the body, any other key a string; there is no
//! nesting, since every framework has its own way of writing it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::error::{FormatError, FormatErrorCode, push_path};
use crate::limits::{Limits, Meter};

/// Reads a form. Percent sequences that are not UTF-8 become U+FFFD.
pub(crate) fn decode_form(bytes: &[u8], limits: &Limits) -> Result<Value, FormatError> {
    let meter = Meter::new(limits);
    let mut object = Map::new();
    for (key, value) in form_urlencoded::parse(bytes) {
        if !meter.take() {
            return Err(FormatError::whole(FormatErrorCode::TooMany, limits.too_many()));
        }
        insert_repeated(&mut object, key.into_owned(), Value::String(value.into_owned()));
    }
    Ok(Value::Object(object))
}

/// Writes an object as a form, in the object's order; an array is its key repeated.
///
/// Strings are taken as they are, numbers and booleans as their JSON text; null members and items
/// and empty arrays are left out. What [`decode`](crate::decode()) gave for a form comes back equal.
///
/// # Errors
///
/// [`FormatErrorCode::FormShape`] with the path of what is neither a scalar nor an array of scalars.
pub fn encode_form(value: &Value) -> Result<String, FormatError> {
    let Value::Object(object) = value else {
        return Err(FormatError::at(FormatErrorCode::FormShape, "", "a form is an object"));
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (key, value) in object {
        let one = std::slice::from_ref(value);
        let items = value.as_array().map_or(one, Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            match scalar(item) {
                Some(Some(text)) => {
                    form.append_pair(key, &text);
                }
                Some(None) => {}
                None => return Err(nested(key, value.is_array().then_some(index))),
            }
        }
    }
    Ok(form.finish())
}

/// The text of a scalar, nothing for null; `None` for an object or array.
pub(crate) fn scalar(value: &Value) -> Option<Option<Cow<'_, str>>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(flag) => Some(Some((if *flag { "true" } else { "false" }).into())),
        Value::Number(number) => Some(Some(number.to_string().into())),
        Value::String(text) => Some(Some(text.as_str().into())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Adds a member; from the second of a key on, the member is an array. Values are never arrays.
pub(crate) fn insert_repeated(object: &mut Map<String, Value>, key: String, value: Value) {
    match object.get_mut(&key) {
        None => drop(object.insert(key, value)),
        Some(Value::Array(items)) => items.push(value),
        Some(first) => {
            let items = vec![first.take(), value];
            *first = Value::Array(items);
        }
    }
}

fn nested(key: &str, index: Option<usize>) -> FormatError {
    let mut path = String::new();
    push_path(&mut path, key);
    if let Some(index) = index {
        push_path(&mut path, &index.to_string());
    }
    FormatError::at(FormatErrorCode::FormShape, &path, "a form has no objects and no arrays in arrays")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::Place;

    #[test]
    fn forms_are_read() {
        for (body, expect) in [
            ("", json!({})),
            ("a=1&b=x+y%20z&a=2&a=", json!({ "a": ["1", "2", ""], "b": "x y z" })),
            ("a&=b&&c=%C3%A4%FF%2", json!({ "a": "", "": "b", "c": "ä\u{fffd}%2" })),
        ] {
            assert_eq!(decode_form(body.as_bytes(), &Limits::default()), Ok(expect), "{body}");
        }
    }

    #[test]
    fn forms_are_written() {
        for (value, expect) in [
            (json!({}), ""),
            (json!({ "a": "x y&=ä" }), "a=x+y%26%3D%C3%A4"),
            (json!({ "a": [1, true, null, "z"], "b": null, "c": [], "d": 1.5 }), "a=1&a=true&a=z&d=1.5"),
        ] {
            assert_eq!(encode_form(&value).as_deref(), Ok(expect), "{value}");
        }
    }

    #[test]
    fn what_a_form_cannot_say_is_refused_with_its_path() {
        for (value, path) in [
            (json!([]), ""),
            (json!("x"), ""),
            (json!({ "a/b": {} }), "/a~1b"),
            (json!({ "a": [1, []] }), "/a/1"),
        ] {
            let error = encode_form(&value).expect_err("refused");
            assert_eq!((error.code, error.place), (FormatErrorCode::FormShape, Place::Path(path.to_owned())));
        }
    }

    #[test]
    fn fields_are_counted() {
        let limits = Limits { nodes: 2, ..Limits::default() };
        assert!(decode_form(b"a&b", &limits).is_ok());
        assert_eq!(decode_form(b"a&b&c", &limits).map_err(|error| error.code), Err(FormatErrorCode::TooMany));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            fields in proptest::collection::btree_map(any::<String>(), proptest::collection::vec(any::<String>(), 1..4), 0..6)
        ) {
            let single = |mut items: Vec<String>| if items.len() == 1 { json!(items.remove(0)) } else { json!(items) };
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(key, items)| (key, single(items))).collect();
            let value = json!(fields);
            let body = encode_form(&value).unwrap();
            prop_assert_eq!(decode_form(body.as_bytes(), &Limits::default()).unwrap(), value);
        }
    }
}
