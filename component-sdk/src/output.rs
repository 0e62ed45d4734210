//! What a function emits.
//!
//! A body that cannot be JSON, or a port whose name breaks the rule, is kept as an error until the outcome is built, so
//! that authors chain calls without a `?` after each.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use sluice_protocol::{Headers, Port};

use crate::Error;

/// One message that a function emits.
#[derive(Debug, Clone)]
pub struct Output(Result<sluice_protocol::Output, Error>);

impl Output {
    /// A message with this body on the default port.
    #[must_use]
    pub fn new(body: impl Serialize) -> Self {
        Self(match to_raw_value(&body) {
            Ok(body) => return Self::raw(body),
            Err(error) => {
                Err(Error::fatal("bad_output", format_args!("the body of an output is no JSON: {error}")))
            }
        })
    }

    /// A message whose body is this JSON to the letter, but for line breaks between its tokens.
    #[must_use]
    pub fn raw(body: Box<RawValue>) -> Self {
        Self(Ok(sluice_protocol::Output {
            port: Port::default(),
            body: one_line(body),
            headers: Headers::new(),
        }))
    }

    /// Sends it through the port of this name.
    #[must_use]
    pub fn port(self, name: &str) -> Self {
        Self(self.0.and_then(|mut output| match name.parse() {
            Ok(port) => {
                output.port = port;
                Ok(output)
            }
            Err(error) => Err(Error::fatal("bad_output", format_args!("port `{name}`: {error}"))),
        }))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self(self.0.map(|mut output| {
            output.headers.insert(name.into(), value.into());
            output
        }))
    }

    /// Adds many headers.
    #[must_use]
    pub fn headers(self, headers: Headers) -> Self {
        Self(self.0.map(|mut output| {
            output.headers.extend(headers);
            output
        }))
    }

    /// The form that travels in an outcome.
    ///
    /// # Errors
    /// When the body or the port was none.
    pub fn build(self) -> Result<sluice_protocol::Output, Error> {
        self.0
    }
}

/// What a run emits at its end: nothing, one message or many.
#[derive(Debug, Clone, Default)]
pub struct Outputs(Vec<Output>);

impl Outputs {
    /// Nothing at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One message with this body on the default port.
    #[must_use]
    pub fn one(body: impl Serialize) -> Self {
        Output::new(body).into()
    }

    /// The forms that travel in an outcome.
    ///
    /// # Errors
    /// The first output that is none.
    pub fn build(self) -> Result<Vec<sluice_protocol::Output>, Error> {
        self.0.into_iter().map(Output::build).collect()
    }
}

impl From<Output> for Outputs {
    fn from(output: Output) -> Self {
        Self(vec![output])
    }
}

impl From<Vec<Output>> for Outputs {
    fn from(outputs: Vec<Output>) -> Self {
        Self(outputs)
    }
}

impl From<()> for Outputs {
    fn from((): ()) -> Self {
        Self::none()
    }
}

impl FromIterator<Output> for Outputs {
    fn from_iter<I: IntoIterator<Item = Output>>(outputs: I) -> Self {
        Self(outputs.into_iter().collect())
    }
}

/// Takes the line breaks out of JSON that an author passed on to the letter, since a record is one line. In JSON they
/// only stand between tokens, never inside a string.
fn one_line(body: Box<RawValue>) -> Box<RawValue> {
    if memchr::memchr2(b'\n', b'\r', body.get().as_bytes()).is_none() {
        return body;
    }
    RawValue::from_string(body.get().replace(['\n', '\r'], " ")).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_names_its_port_and_headers() {
        let output = Output::new([1, 2]).port("rejected").header("why", "late").build().unwrap();
        assert_eq!((output.port.as_str(), output.body.get()), ("rejected", "[1,2]"));
        assert_eq!(output.headers["why"], "late");
    }

    #[test]
    fn a_body_that_is_passed_on_to_the_letter_stays_on_one_line() {
        let body = RawValue::from_string("{\"a\":\n1.10}".to_owned()).unwrap();
        assert_eq!(Output::new(body).build().unwrap().body.get(), "{\"a\": 1.10}");
    }

    #[test]
    fn a_bad_port_is_an_error_of_the_outcome() {
        let error = Outputs::from(vec![Output::new(1).port("Not a port")]).build().unwrap_err();
        assert_eq!(error.code(), "bad_output");
    }
}
