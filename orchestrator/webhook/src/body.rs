//! The body of a request as a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use sluice_formats::multipart::{self, Part, PartBody};
use sluice_formats::{Format, FormatError, Limits, decode};

/// Reads a body by its content type (RFC 9110, section 8.3): JSON, XML, CSV, NDJSON, forms, multipart, text; anything
/// else, and a body of no type, is a text in Base64. No body at all is `null`.
///
/// A multipart body is an object with a member for each name. A file is `{ filename, content_type, base64, value }` with
/// its bytes in Base64 as `value`, any other part a text; a name that stands more than once is a list.
///
/// # Errors
/// When it is not what the content type says, or is beyond the limits.
pub fn read(content_type: Option<&str>, bytes: &Bytes, limits: &Limits) -> Result<Value, FormatError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let named = content_type.unwrap_or_default();
    if named.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Ok(form(multipart::decode(bytes, named, limits)?));
    }
    decode(Format::of_content_type(named), bytes, content_type, limits)
}

fn form(parts: Vec<Part>) -> Value {
    let mut members: Map<String, Value> = Map::new();
    let mut lists: Vec<String> = Vec::new();
    for part in parts {
        let name = part.name.clone();
        let value = value(part);
        match members.get_mut(&name) {
            None => {
                members.insert(name, value);
            }
            Some(Value::Array(list)) if lists.contains(&name) => list.push(value),
            Some(before) => {
                *before = json!([before.take(), value]);
                lists.push(name);
            }
        }
    }
    Value::Object(members)
}

fn value(part: Part) -> Value {
    let bytes = match part.body {
        PartBody::Bytes(bytes) => bytes,
        PartBody::Text(text) => text.into(),
        PartBody::Chunks(chunks) => chunks.concat().into(),
    };
    match (part.filename, std::str::from_utf8(&bytes)) {
        (None, Ok(text)) => Value::String(text.to_owned()),
        (filename, _) => json!({
            "filename": filename,
            "content_type": part.content_type,
            "base64": true,
            "value": STANDARD.encode(&bytes),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: Option<&str>, body: &str, expect: Option<Value>) {
        let got = read(content_type, &Bytes::from(body.to_owned()), &Limits::default()).ok();
        assert_eq!(got, expect, "{content_type:?} {body}");
    }

    #[test]
    fn a_body_is_read_by_its_type() {
        check(Some("application/json; charset=utf-8"), r#"{"a":1}"#, Some(json!({ "a": 1 })));
        check(Some("application/json"), "{", None);
        check(Some("application/x-www-form-urlencoded"), "a=1&b=x+y", Some(json!({ "a": "1", "b": "x y" })));
        check(Some("text/xml"), "<a>1</a>", Some(json!({ "a": "1" })));
        check(Some("text/plain"), "hello", Some(json!("hello")));
        check(Some("application/pdf"), "hi", Some(json!("aGk=")));
        check(None, "hi", Some(json!("aGk=")));
        check(Some("application/json"), "", Some(Value::Null));
    }

    #[test]
    fn a_form_with_files_is_an_object() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nhi\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\none\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\ntwo\r\n--b--\r\n";
        let file =
            json!({ "filename": "a.png", "content_type": "image/png", "base64": true, "value": "aGk=" });
        let expect = json!({ "note": "hello", "file": file, "tag": ["one", "two"] });
        check(Some("Multipart/Form-Data; boundary=b"), body, Some(expect));
        check(Some("multipart/form-data"), body, None);
    }
}
