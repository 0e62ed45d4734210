//! An answer: which status is an error, and what its body is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_sdk::{Error, retry_after};

use crate::exchange::failure;

/// The lowest status that is an error.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) enum FailOn {
    #[serde(rename = "none")]
    None,
    #[default]
    #[serde(rename = "4xx")]
    ClientErrors,
    #[serde(rename = "5xx")]
    ServerErrors,
}

impl FailOn {
    fn fails(self, status: StatusCode) -> bool {
        match self {
            Self::None => false,
            Self::ClientErrors => status.as_u16() >= 400,
            Self::ServerErrors => status.as_u16() >= 500,
        }
    }
}

/// Refuses an answer whose status is an error.
pub(crate) fn check(response: &Response, fail_on: FailOn) -> Result<(), Error> {
    let status = response.status();
    if !fail_on.fails(status) {
        return Ok(());
    }
    let (code, message) = (format!("http_{}", status.as_u16()), format!("the other side answered {status}"));
    let waits = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if !waits && !status.is_server_error() {
        return Err(Error::fatal(&code, message));
    }
    let error = Error::retryable(&code, message);
    let header = response.headers().get("retry-after").and_then(|header| header.to_str().ok());
    Err(match header.and_then(|header| retry_after::parse(header, Utc::now())) {
        Some(wait) => error.retry_after(wait),
        None => error,
    })
}

/// The headers, names in lower case; a repeated one as a list.
pub(crate) fn headers(response: &Response) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values = response.headers().get_all(name).iter();
        let mut values: Vec<Value> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        headers.insert(name.as_str().to_owned(), value);
    }
    headers
}

/// Reads the body by its content type: JSON, text, or base64 for anything else.
pub(crate) async fn body(mut response: Response, most: usize) -> Result<Value, Error> {
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if bytes.len() + chunk.len() > most {
            return Err(Error::fatal(
                "response_too_large",
                format_args!("the answer has more than {most} bytes"),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(parse(&content_type, bytes))
}

fn parse(content_type: &str, bytes: Vec<u8>) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if (media == "application/json" || media.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(&bytes)
    {
        return value;
    }
    // What is no text is passed on as bytes, which JSON has only in disguise.
    String::from_utf8(bytes).map_or_else(|error| STANDARD.encode(error.as_bytes()).into(), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_is_read_by_its_content_type() {
        assert_eq!(parse("application/json; charset=utf-8", b"{\"a\":1}".to_vec()), json!({"a": 1}));
        assert_eq!(parse("application/problem+json", b"[1]".to_vec()), json!([1]));
        assert_eq!(parse("application/json", b"oops".to_vec()), json!("oops"));
        assert_eq!(parse("text/plain", b"12".to_vec()), json!("12"));
        assert_eq!(parse("image/png", vec![0xff, 0x00]), json!("/wA="));
        assert_eq!(parse("", Vec::new()), Value::Null);
    }
}
