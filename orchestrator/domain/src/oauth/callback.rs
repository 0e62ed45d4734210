//! What a browser brings back from the provider (RFC 6749, section 4.1.2).

use secrecy::SecretString;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::said;

/// Longest query that is read, in bytes.
const LONGEST: usize = 16 * 1024;

/// The query of a callback, read but not yet believed.
#[derive(Debug, Clone)]
pub struct Callback {
    state: String,
    issuer: Option<String>,
    answer: Answer,
}

#[derive(Debug, Clone)]
enum Answer {
    Code(SecretString),
    Denied { error: String, description: Option<String> },
}

/// Why a callback brings no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The query is longer than any provider makes it.
    #[error("the callback's query has more than {LONGEST} bytes")]
    TooLong,
    /// A parameter is missing.
    #[error("the callback has no `{0}`")]
    Missing(&'static str),
    /// A parameter is there more than once (RFC 6749, section 3.1).
    #[error("the callback has `{0}` more than once")]
    Repeated(&'static str),
    /// It belongs to another authorisation, or was forged (RFC 6749, section 10.12).
    #[error("the callback belongs to another authorisation")]
    WrongState,
    /// Another provider answered (RFC 9207, section 2.4).
    #[error("the callback comes from another issuer")]
    WrongIssuer,
    /// The person or the provider said no (RFC 6749, section 4.1.2.1).
    #[error("access was refused: {error}{}", description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Denied {
        /// The code, such as `access_denied`; at most 500 characters.
        error: String,
        /// What the provider says of it; at most 500 characters on one line.
        description: Option<String>,
    },
}

impl Callback {
    /// Reads the query of a callback, without its `?`. Unknown parameters are ignored (RFC 6749, section 4.1.2).
    ///
    /// # Errors
    /// When it is too long, has no `state`, neither `code` nor `error`, or one of these more than once.
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        if query.len() > LONGEST {
            return Err(CallbackError::TooLong);
        }
        let one = |name: &'static str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(CallbackError::Repeated(name)),
                (value, None) => {
                    Ok(value.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty()))
                }
            }
        };
        let answer = match (one("error")?, one("code")?) {
            (Some(error), _) => {
                let description = one("error_description")?.map(|text| said(&text));
                Answer::Denied { error: said(&error), description }
            }
            (None, Some(code)) => Answer::Code(SecretString::from(code)),
            (None, None) => return Err(CallbackError::Missing("code")),
        };
        let state = one("state")?.ok_or(CallbackError::Missing("state"))?;
        Ok(Self { state, issuer: one("iss")?, answer })
    }

    /// The state, by which the authorisation is found that it belongs to.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The code, if this is the answer to the authorisation with that state, from that issuer. Without an issuer in the
    /// connector's file nobody looks who answered; with one the callback has to name it, letter for letter.
    ///
    /// # Errors
    /// Where something differs; then where access was refused.
    pub fn code(self, state: &str, issuer: Option<&str>) -> Result<SecretString, CallbackError> {
        if !bool::from(self.state.as_bytes().ct_eq(state.as_bytes())) {
            return Err(CallbackError::WrongState);
        }
        match (issuer, &self.issuer) {
            (Some(_), None) => return Err(CallbackError::Missing("iss")),
            (Some(expected), Some(named)) if expected != named => return Err(CallbackError::WrongIssuer),
            (Some(_) | None, _) => {}
        }
        match self.answer {
            Answer::Code(code) => Ok(code),
            Answer::Denied { error, description } => Err(CallbackError::Denied { error, description }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn check(query: &str, issuer: Option<&str>) -> Result<String, CallbackError> {
        let code = Callback::parse(query)?.code("s1", issuer)?;
        Ok(code.expose_secret().to_owned())
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let issuer = Some("https://login.example");
        let denied = |error: &str, description: Option<&str>| CallbackError::Denied {
            error: error.to_owned(),
            description: description.map(str::to_owned),
        };
        for (query, issuer, expect) in [
            ("code=a%2Bb&state=s1", None, Ok("a+b")),
            ("code=c&state=s1&scope=x&iss=https%3A%2F%2Fother.example", None, Ok("c")),
            ("code=c&state=s1&iss=https%3A%2F%2Flogin.example", issuer, Ok("c")),
            ("code=c&state=s1", issuer, Err(CallbackError::Missing("iss"))),
            ("code=c&state=s1&iss=https://login.example/", issuer, Err(CallbackError::WrongIssuer)),
            ("code=c&state=s2", None, Err(CallbackError::WrongState)),
            ("code=c", None, Err(CallbackError::Missing("state"))),
            ("state=s1&code=", None, Err(CallbackError::Missing("code"))),
            ("code=c&code=d&state=s1", None, Err(CallbackError::Repeated("code"))),
            ("code=c&state=s1&state=s1", None, Err(CallbackError::Repeated("state"))),
            (
                "error=access_denied&error_description=you%0Asaid+no&state=s1",
                None,
                Err(denied("access_denied", Some("you said no"))),
            ),
            ("error=access_denied&state=s1", issuer, Err(CallbackError::Missing("iss"))),
            ("error=x&code=c&state=s1", None, Err(denied("x", None))),
            ("error=x&state=s2", None, Err(CallbackError::WrongState)),
        ] {
            assert_eq!(check(query, issuer), expect.map(str::to_owned), "{query}");
        }
        assert_eq!(check(&"x".repeat(LONGEST + 1), None), Err(CallbackError::TooLong));
    }

    #[test]
    fn debug_output_holds_no_code() {
        let callback = Callback::parse("code=hunter2&state=s1").unwrap();
        assert!(!format!("{callback:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_query_panics_and_no_other_state_is_believed(query in ".{0,200}") {
            if let Ok(callback) = Callback::parse(&query) {
                let state = format!("{}x", callback.state());
                prop_assert_eq!(callback.code(&state, None).err(), Some(CallbackError::WrongState));
            }
        }
    }
}
