//! The body of an invocation: JSON, or a form with files.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sluice_formats::Limits;
use sluice_formats::multipart::{self, Part, PartBody};

use crate::ApiState;
use crate::dto::EmbeddedInvoke;
use crate::extract::{OptionalBody, bytes, read_json};
use crate::problem::{Answer, ErrorCode, Refusal};

/// The field of a form that holds the JSON.
const REQUEST: &str = "request";

/// What a page asks to run, whatever it was sent as.
pub(super) struct Asked(pub(super) EmbeddedInvoke);

impl FromRequest<ApiState> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(kind) = kind.filter(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"))
        else {
            return OptionalBody::from_request(request, state).await.map(|OptionalBody(body)| Self(body));
        };
        let kind = kind.to_owned();
        let body = bytes(request, state).await?;
        let parts = multipart::decode(&body, &kind, &Limits { parts: 100, ..Limits::default() });
        let parts = parts.map_err(|error| Refusal::new(ErrorCode::BadBody, error.to_string()))?;
        combine(parts).map(Self)
    }
}

/// Puts each field into the input of the request.
fn combine(parts: Vec<Part>) -> Answer<EmbeddedInvoke> {
    let (requests, fields): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.name == REQUEST);
    let mut asked: EmbeddedInvoke = match requests.as_slice() {
        [] => EmbeddedInvoke::default(),
        [Part { body: PartBody::Bytes(bytes), .. }] => read_json(bytes)?,
        _ => return Err(wrong("the form has the field `request` more than once")),
    };
    if asked.input.is_null() {
        asked.input = Value::Object(Map::new());
    }
    let Some(input) = asked.input.as_object_mut() else {
        return Err(wrong("the input of a request with files is an object, which they are put into"));
    };
    for part in fields {
        let name = part.name.clone();
        if name.is_empty() || input.contains_key(&name) {
            return Err(wrong(format!(
                "the field `{name}` has no name, or stands in the form or input twice"
            )));
        }
        input.insert(name, value(part));
    }
    Ok(asked)
}

/// A file as actions take it for a part of a multipart body; any other field as text.
fn value(part: Part) -> Value {
    let PartBody::Bytes(bytes) = part.body else { return Value::Null };
    match (part.filename, std::str::from_utf8(&bytes)) {
        (None, Ok(text)) => Value::String(text.to_owned()),
        (filename, _) => json!({
            "filename": filename,
            "content_type": part.content_type.as_deref().unwrap_or("application/octet-stream"),
            "base64": true,
            "value": STANDARD.encode(&bytes),
        }),
    }
}

fn wrong(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadBody, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, filename: Option<&str>, text: &str) -> Part {
        Part {
            name: name.to_owned(),
            filename: filename.map(str::to_owned),
            content_type: None,
            body: PartBody::Bytes(text.to_owned().into()),
        }
    }

    #[test]
    fn files_and_fields_come_into_the_input() {
        let request = part("request", None, r#"{ "input": { "a": 1 }, "config": { "b": 2 } }"#);
        let asked = combine(vec![part("file", Some("x.txt"), "hi"), request, part("note", None, "n")]);
        let asked = asked.unwrap();
        let file = json!({ "filename": "x.txt", "content_type": "application/octet-stream", "base64": true, "value": "aGk=" });
        assert_eq!(asked.input, json!({ "a": 1, "file": file, "note": "n" }));
        assert_eq!(asked.config, json!({ "b": 2 }));
        assert_eq!(combine(Vec::new()).unwrap().input, json!({}));
    }

    #[test]
    fn a_form_that_says_two_things_is_refused() {
        let request = |text: &str| part("request", None, text);
        for parts in [
            vec![request("{}"), request("{}")],
            vec![request(r#"{ "input": { "a": 1 } }"#), part("a", None, "2")],
            vec![part("a", None, "1"), part("a", None, "2")],
            vec![part("", None, "1")],
            vec![request(r#"{ "input": [1] }"#), part("a", None, "2")],
            vec![request("{")],
            vec![request(r#"{ "raw": true }"#)],
        ] {
            assert!(combine(parts.clone()).is_err(), "{parts:?}");
        }
    }
}
