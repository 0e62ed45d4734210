//! Makes the codes of a device of the members of an answer (RFC 8628, section 3.2).

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};
use sluice_ports::oauth::{DeviceAuthorization, OAuthError};
use url::Url;

use crate::answer::{Answer, seconds};

/// The interval where the provider names none (RFC 8628, section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// How long codes work where the provider does not say.
const LIFETIME: Duration = Duration::from_secs(600);
/// Longest user code, in characters.
const USER_CODE: usize = 64;

/// What the members of an answer come to.
pub(crate) fn authorization(
    answer: &Answer,
    members: &Map<String, Value>,
) -> Result<DeviceAuthorization, OAuthError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let url =
        |name: &str| text(name)?.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let device_code = text("device_code").ok_or_else(|| answer.malformed("it has no device code"))?;
    let user_code = text("user_code")
        .filter(|code| code.chars().count() <= USER_CODE && !code.chars().any(char::is_control))
        .ok_or_else(|| answer.malformed("it has no code for the person"))?;
    // Google and others have kept the name of an early draft.
    let verification_uri = url("verification_uri")
        .or_else(|| url("verification_url"))
        .ok_or_else(|| answer.malformed("it has no URL where the code is typed in"))?;
    Ok(DeviceAuthorization {
        device_code: SecretString::from(device_code),
        user_code: user_code.to_owned(),
        verification_uri,
        verification_uri_complete: url("verification_uri_complete")
            .or_else(|| url("verification_url_complete")),
        expires_in: members.get("expires_in").and_then(seconds).unwrap_or(LIFETIME),
        interval: members.get("interval").and_then(seconds).unwrap_or(INTERVAL),
    })
}
