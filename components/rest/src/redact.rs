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
            spellings.extend(by_scripts(secret));
            // As JSON writes it, for a secret with quotes or backslashes.
            spellings.push(Value::from(secret.as_str()).to_string().trim_matches('"').to_owned());
        }
        let pair = ["username", "password"].map(|name| secrets.get(name).and_then(Value::as_str));
        if let [Some(username), Some(password)] = pair {
            spellings.push(STANDARD.encode(format!("{username}:{password}")));
        }
        spellings.extend(plain);
        spellings.retain(|spelling| spelling.chars().count() >= SHORTEST);
        Self(spellings).in_order()
    }

    /// Takes out these secrets, too.
    pub(crate) fn and(&self, secrets: &Map<String, Value>) -> Self {
        Self([self.0.clone(), Self::new(secrets).0].concat()).in_order()
    }

    fn in_order(mut self) -> Self {
        self.0.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
        self
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// The same error without secrets.
    pub(crate) fn error(&self, error: Error) -> Error {
        let status = error.status();
        let info = error.into_info();
        let message = self.text(&info.message);
        let clean = match (status, info.retryable) {
            (Status::Rebound, _) => Error::rebound(&info.code, message),
            (Status::Parked, _) => Error::parked(&info.code, message),
            (_, true) => Error::retryable(&info.code, message),
            (_, false) => Error::fatal(&info.code, message),
        };
        match info.retry_after {
            Some(seconds) => clean.retry_after(Duration::from_secs(seconds)),
            None => clean,
        }
    }
}

/// What the helpers of scripts make of a secret, and a text of several lines on one, as messages have it.
fn by_scripts(secret: &str) -> [String; 3] {
    let hex = |byte: u8| format!("{byte:02x}");
    let percent = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let on_one_line: Vec<&str> = secret.split_whitespace().collect();
    [secret.bytes().map(hex).collect(), secret.bytes().map(percent).collect(), on_one_line.join(" ")]
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

    #[test]
    fn an_error_stays_what_it_is_and_old_tokens_stay_secret() {
        let secrets = |token: &str| json!({ "access_token": token }).as_object().unwrap().clone();
        let redactor = Redactor::new(&secrets("first-token")).and(&secrets("second-token"));
        for error in [
            Error::parked("a", "first-token second-token"),
            Error::rebound("b", "first-token second-token"),
            Error::retryable("c", "first-token second-token").retry_after(Duration::from_secs(3)),
            Error::fatal("d", "first-token second-token"),
        ] {
            let clean = redactor.error(error.clone());
            assert_eq!((clean.status(), clean.code()), (error.status(), error.code()));
            let (clean, error) = (clean.into_info(), error.into_info());
            assert_eq!(clean.message, "*** ***");
            assert_eq!((clean.retryable, clean.retry_after), (error.retryable, error.retry_after));
        }
    }
}
