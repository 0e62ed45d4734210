//! Takes secrets out of error texts, in every spelling in which a request carries them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sluice_sdk::Error;
use sluice_sdk::protocol::Status;
use std::time::Duration;

/// A shorter one would be found in ordinary words.
const SHORTEST: usize = 4;

/// The spellings, longest first.
#[derive(Default)]
pub(crate) struct Redactor(Vec<String>);

impl Redactor {
    pub(crate) fn new(secrets: &Map<String, Value>) -> Self {
        let mut plain = Vec::new();
        secrets.values().for_each(|value| collect(value, &mut plain));
        let mut spellings = Vec::new();
        for secret in &plain {
            spellings.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
            spellings.push(STANDARD.encode(secret));
            // As JSON writes it, for a secret with quotes or backslashes.
            spellings.push(Value::from(secret.as_str()).to_string().trim_matches('"').to_owned());
        }
        let pair = ["username", "password"].map(|name| secrets.get(name).and_then(Value::as_str));
        if let [Some(username), Some(password)] = pair {
            spellings.push(STANDARD.encode(format!("{username}:{password}")));
        }
        spellings.extend(plain);
        spellings.retain(|spelling| spelling.chars().count() >= SHORTEST);
        spellings.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self(spellings)
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// The same error without secrets.
    pub(crate) fn error(&self, error: Error) -> Error {
        let rebound = error.status() == Status::Rebound;
        let info = error.into_info();
        let message = self.text(&info.message);
        let clean = match (rebound, info.retryable) {
            (true, _) => Error::rebound(&info.code, message),
            (false, true) => Error::retryable(&info.code, message),
            (false, false) => Error::fatal(&info.code, message),
        };
        match info.retry_after {
            Some(seconds) => clean.retry_after(Duration::from_secs(seconds)),
            None => clean,
        }
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Number(number) => into.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_spelling_of_a_secret_is_taken_out() {
        let secrets = json!({ "username": "ann", "password": "pa ss/w\"rd", "deep": { "key": "sesame-42" } });
        let redactor = Redactor::new(secrets.as_object().unwrap());
        let basic = STANDARD.encode("ann:pa ss/w\"rd");
        for (text, expect) in [
            ("key sesame-42 refused", "key *** refused"),
            ("a=pa+ss%2Fw%22rd&b", "a=***&b"),
            (r#"{"p":"pa ss/w\"rd"}"#, r#"{"p":"***"}"#),
            (basic.as_str(), "***"),
            ("ann is short", "ann is short"),
        ] {
            assert_eq!(redactor.text(text), expect);
        }
    }
}
