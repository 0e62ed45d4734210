//! What a run tells about its traffic when it is asked to: each request as it was sent and its answer, secrets masked.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sluice_sdk::Error;

use crate::answer::{self, Answer};
use crate::auth::Credential;
use crate::redact::Redactor;
use crate::request::Draft;
use crate::upload::Content;

/// How much of a body is told, in bytes.
const BODY: usize = 64 * 1024;

/// A request as it goes out.
pub(crate) struct Sent {
    method: String,
    url: String,
    headers: Map<String, Value>,
    body: Body,
}

/// The beginning of a body, and how long it is.
struct Body {
    beginning: Vec<u8>,
    bytes: usize,
}

impl Sent {
    /// Looks at a request before it goes out.
    pub(crate) fn of(draft: &Draft, credential: &Credential) -> Result<Self, Error> {
        let (mut url, mut headers) = (draft.url.clone(), draft.headers.clone());
        credential.apply(&mut url, &mut headers)?;
        Ok(Self {
            method: draft.method.to_string(),
            url: url.to_string(),
            headers: answer::headers(&headers),
            body: Body::of(draft.body.iter().flat_map(Content::known)),
        })
    }

    /// Leaves the body out.
    pub(crate) fn without_body(mut self) -> Self {
        self.body.beginning.clear();
        self
    }

    /// What is told of the request and its answer.
    pub(crate) fn answered(self, answer: &Answer, took: Duration, redactor: &Redactor) -> Value {
        let response = Body::of(&[Bytes::copy_from_slice(&answer.bytes)]);
        json!({
            "request": {
                "method": self.method,
                "url": redactor.text(&self.url),
                "headers": masked(self.headers, redactor),
                "body": self.body.text(redactor),
                "bytes": self.body.bytes,
            },
            "response": {
                "status": answer.status,
                "headers": masked(answer.headers.clone(), redactor),
                "body": response.text(redactor),
                "bytes": response.bytes,
            },
            "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        })
    }
}

impl Body {
    fn of<'b>(chunks: impl IntoIterator<Item = &'b Bytes>) -> Self {
        let (mut beginning, mut bytes) = (Vec::new(), 0);
        for chunk in chunks {
            bytes += chunk.len();
            // Twice what is told, so that a secret is recognised that lies across the cut.
            let room = (2 * BODY).saturating_sub(beginning.len());
            beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Self { beginning, bytes }
    }

    /// The beginning as a text, `null` when it is none or empty.
    fn text(&self, redactor: &Redactor) -> Value {
        let text = match std::str::from_utf8(&self.beginning) {
            Ok(text) => text,
            // The cut may have gone through a letter.
            Err(error) if self.bytes > self.beginning.len() && error.error_len().is_none() => {
                std::str::from_utf8(&self.beginning[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Value::Null,
        };
        let mut text = redactor.text(text);
        if text.is_empty() {
            return Value::Null;
        }
        if text.len() > BODY {
            let end = (0..=BODY).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        Value::String(text)
    }
}

/// Headers that hold what somebody could act with, whether it is a secret of the instance or not.
const PRIVATE: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

fn masked(headers: Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    headers
        .into_iter()
        .map(|(name, value)| {
            let text = value.as_str().unwrap_or_default();
            let text = match (PRIVATE.contains(&name.as_str()), text.split_once(' ')) {
                (false, _) => redactor.text(text),
                (true, Some((scheme, _))) if name.ends_with("authorization") => format!("{scheme} ***"),
                (true, _) => "***".to_owned(),
            };
            (name, Value::String(text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(json!({ "api_key": "sesame-42" }).as_object().unwrap())
    }

    #[test]
    fn a_secret_across_the_cut_of_a_body_is_masked() {
        let text = format!("{}sesame-42 and more", "a".repeat(BODY - 4));
        let body = Body::of(&[Bytes::from(text)]).text(&redactor());
        let body = body.as_str().unwrap();
        assert!(body.ends_with("a*** …"), "{}", &body[BODY - 8..]);
        assert!(!body.contains("sesa"));
    }

    #[test]
    fn bytes_that_are_no_text_are_only_counted() {
        let body = Body::of(&[Bytes::from_static(&[0xff, 0xfe, 0x00])]);
        assert_eq!((body.text(&redactor()), body.bytes), (Value::Null, 3));
    }

    #[test]
    fn headers_that_hold_credentials_are_masked_whatever_they_hold() {
        let headers = json!({
            "authorization": "Bearer unknown", "set-cookie": "sid=1", "x-key": "sesame-42", "accept": "*/*"
        });
        let masked = masked(headers.as_object().unwrap().clone(), &redactor());
        let expect = json!({
            "authorization": "Bearer ***", "set-cookie": "***", "x-key": "***", "accept": "*/*"
        });
        assert_eq!(Value::Object(masked), expect);
    }
}
