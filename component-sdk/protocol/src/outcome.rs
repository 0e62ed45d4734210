//! The record that a component sends back: what became of one input.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::envelope::Headers;
use crate::{ExecutionId, MessageId, StepKey, limits};

/// What became of one input (or, for a listener, what it emitted): one line of NDJSON in a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The id of the input; for a listener, an id that it chose and would choose again for the same source message.
    pub input: MessageId,
    /// The step that ran, as the envelope or the assignment named it.
    pub step: StepKey,
    /// The execution of the input, echoed; absent from triggers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
    /// The attempt of the input, echoed.
    #[serde(default = "first")]
    pub attempt: u32,
    /// The suspicions of the input, echoed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspected: u32,
    /// What happened.
    pub status: Status,
    /// What the function emitted, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// How many outputs of the same run were sent in earlier `partial` outcomes.
    #[serde(default, skip_serializing_if = "is_zero_long")]
    pub offset: u64,
    /// Why it failed; with `error`, `parked` and, if there is anything to say, `rebound`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// The new cursor of a polling trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// The context of the input, echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// Microseconds that the function ran.
    #[serde(default)]
    pub micros: u64,
    /// The trace context of the input, echoed, or of the span that the function opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The input itself, for every status but `ok` and `partial`: what a retry or a dead letter needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Retained>,
}

/// How a step run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The function is done; these are its (last) outputs.
    Ok,
    /// The function goes on; these outputs may be passed on already.
    Partial,
    /// The function failed.
    Error,
    /// The function asks for the same input again later; no failure.
    Rebound,
    /// The function cannot run until a person has authorised the instance again; the input waits and its attempt is not
    /// burned.
    Parked,
    /// The input came back from a consumer that died or lost its connection, and was not run again.
    Suspect,
}

/// One message that a function emitted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Output {
    /// The port it leaves through.
    #[serde(default, skip_serializing_if = "Port::is_default")]
    pub port: Port,
    /// The body, any JSON value.
    pub body: Box<RawValue>,
    /// Its headers.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// The input of a step run as the component got it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retained {
    /// The body.
    pub body: Box<RawValue>,
    /// The headers.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// Why a step run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A stable code in `snake_case`, for machines: at most [`limits::ERROR_CODE_CHARS`].
    pub code: String,
    /// One sentence for people, without secrets: at most [`limits::ERROR_MESSAGE_CHARS`].
    pub message: String,
    /// Whether the same input may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Seconds to wait before that, when the other side said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl ErrorInfo {
    /// An error with its code and sentence cut to the limits.
    #[must_use]
    pub fn new(code: &str, message: &str, retryable: bool) -> Self {
        Self {
            code: code.chars().take(limits::ERROR_CODE_CHARS).collect(),
            message: message.chars().take(limits::ERROR_MESSAGE_CHARS).collect(),
            retryable,
            retry_after: None,
        }
    }
}

/// The name of an output of a function: 1 to 32 characters of `a-z`, `0-9`, `_`, beginning with a letter.
/// The default port is called `out`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port(Box<str>);

/// A text that is no port name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a port has 1 to 32 characters of a-z 0-9 _ and begins with a letter")]
pub struct PortError;

impl Port {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the port that an output takes when none is named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "out"
    }
}

impl Default for Port {
    fn default() -> Self {
        Self("out".into())
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let fits = begins
            && text.len() <= 32
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if fits { Ok(Self(text.into())) } else { Err(PortError) }
    }
}

impl TryFrom<String> for Port {
    type Error = PortError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.0.into()
    }
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn is_zero_long(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_outcome_reads_with_its_defaults() {
        let line = format!(
            r#"{{"input":"{}","step":"s","status":"ok","outputs":[{{"body":[1, 2]}}]}}"#,
            MessageId::from_bits(3)
        );
        let outcome: Outcome = serde_json::from_str(&line).unwrap();
        assert!(outcome.outputs[0].port.is_default());
        assert_eq!(outcome.outputs[0].body.get(), "[1, 2]");
        assert_eq!((outcome.attempt, outcome.offset, outcome.micros), (1, 0, 0));
    }

    #[test]
    fn a_status_travels_by_its_name_in_lower_case() {
        for (status, text) in [(Status::Parked, r#""parked""#), (Status::Ok, r#""ok""#)] {
            assert_eq!(serde_json::to_string(&status).unwrap(), text);
            assert_eq!(serde_json::from_str::<Status>(text).unwrap(), status);
        }
    }

    #[test]
    fn ports_are_short_lower_case_names() {
        for (text, fits) in [("out", true), ("rejected_2", true), ("2", false), ("", false), ("Out", false)] {
            assert_eq!(text.parse::<Port>().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn an_error_is_cut_to_the_limits() {
        let error = ErrorInfo::new("x", &"m".repeat(5000), true);
        assert_eq!(error.message.len(), limits::ERROR_MESSAGE_CHARS);
    }
}
