//! The body of an invocation: JSON, or a form with files.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde_json::{Map, Value};
use sluice_engine::read_form;

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
        combine(read_form(&kind, &body).map_err(wrong)?).map(Self)
    }
}

/// Puts each field into the input of the request.
fn combine(mut fields: Map<String, Value>) -> Answer<EmbeddedInvoke> {
    let mut asked: EmbeddedInvoke = match fields.remove(REQUEST) {
        None => EmbeddedInvoke::default(),
        Some(Value::String(text)) => read_json(text.as_bytes())?,
        Some(_) => return Err(wrong("the form has the field `request` more than once, or as a file")),
    };
    if asked.input.is_null() {
        asked.input = Value::Object(Map::new());
    }
    let Some(input) = asked.input.as_object_mut() else {
        return Err(wrong("the input of a request with files is an object, which they are put into"));
    };
    for (name, value) in fields {
        if name.is_empty() || input.contains_key(&name) {
            return Err(wrong(format!("the field `{name}` has no name, or stands in the input too")));
        }
        input.insert(name, value);
    }
    Ok(asked)
}

fn wrong(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadBody, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(fields: Value) -> Answer<EmbeddedInvoke> {
        let Value::Object(fields) = fields else { unreachable!("the tests give objects") };
        combine(fields)
    }

    #[test]
    fn files_and_fields_come_into_the_input() {
        let request = r#"{ "input": { "a": 1 }, "config": { "b": 2 } }"#;
        let asked = asked(json!({ "file": { "value": "aGk=" }, "request": request, "note": "n" })).unwrap();
        assert_eq!(asked.input, json!({ "a": 1, "file": { "value": "aGk=" }, "note": "n" }));
        assert_eq!(asked.config, json!({ "b": 2 }));
        assert_eq!(combine(Map::new()).unwrap().input, json!({}));
    }

    #[test]
    fn a_form_that_says_two_things_is_refused() {
        for fields in [
            json!({ "request": ["{}", "{}"] }),
            json!({ "request": r#"{ "input": { "a": 1 } }"#, "a": "2" }),
            json!({ "": "1" }),
            json!({ "request": r#"{ "input": [1] }"#, "a": "2" }),
            json!({ "request": "{" }),
            json!({ "request": r#"{ "raw": true }"# }),
        ] {
            assert!(asked(fields.clone()).is_err(), "{fields}");
        }
    }
}
