//! Logs in: builds the request of `auth.session`, sends it, and takes the token out of the answer.
//!
//! Bodies of logins are told to nobody, since they hold what no list of secrets knows yet.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sluice_declarative::{Lifetime, Session};
use sluice_mapping::{Evaluator, Mapping, Root, is_expression};
use sluice_sdk::Error;

use crate::answer::Answer;
use crate::auth::Carrier;
use crate::expression::{Expr, plain};
use crate::failure;
use crate::form::{Form, expression, mapping, optional};
use crate::redact::Redactor;
use crate::tickets::{Fresh, REFUSED};

/// Longest time that is believed: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest token, in bytes.
const TOKEN_BYTES: usize = 8 * 1024;

/// A login, compiled.
pub(crate) struct Login {
    pub(crate) form: Form,
    pub(crate) carrier: Carrier,
    token: Expr,
    lasts: Lasts,
}

/// How long a token lasts.
enum Lasts {
    /// Until it is refused.
    Open,
    Seconds(u32),
    In(Expr),
    At(Expr),
}

impl Login {
    pub(crate) fn compile(session: Session, form: Form) -> Result<Self, String> {
        let (name, prefix) = session.carrier();
        let carrier = Carrier { place: session.place, name: name.to_owned(), prefix: prefix.to_owned() };
        let until = optional("expires_at", session.expires_at.as_deref())?;
        let lasts = match (session.expires_in, until) {
            (Some(Lifetime::Seconds(seconds)), _) => Lasts::Seconds(seconds),
            (Some(Lifetime::Expression(text)), _) => Lasts::In(expression("expires_in", &text)?),
            (None, Some(until)) => Lasts::At(until),
            (None, None) => Lasts::Open,
        };
        Ok(Self { form, carrier, token: expression("token", &session.token)?, lasts })
    }

    /// Where a login goes that has a whole URL.
    pub(crate) fn url(text: &str) -> Result<Mapping, String> {
        if is_expression(text) || text.starts_with("https://") || text.starts_with("http://") {
            mapping("login.url", Value::String(text.to_owned()))
        } else {
            Err("login.url: it is neither a URL nor an expression".to_owned())
        }
    }

    /// Takes the token out of an answer, over `{ vars, response }`.
    pub(crate) fn read(
        &self,
        evaluator: &mut Evaluator,
        vars: Value,
        answer: &Answer,
        place: &str,
    ) -> Result<Fresh, Error> {
        let bad = |why: &str| Error::fatal("bad_login", format_args!("{place}: {}: {why}", answer.status));
        if answer.cut {
            return Err(bad("the answer to the login is too long"));
        }
        let body = answer.decode(None).map_err(|_| bad("the answer to the login cannot be read"))?;
        let response = json!({ "status": answer.status, "headers": answer.headers.clone(), "body": body });
        let document = json!({ "vars": vars, "response": response });
        let root = Root::new(&document);
        // What the engine says of a failure may quote the answer.
        let value = |evaluator: &mut Evaluator, of: &Expr, field: &str| {
            let found = of.value(evaluator, &root);
            found.map_err(|_| bad(&format!("the expression of `{field}` fails on the answer to the login")))
        };
        let token = match value(evaluator, &self.token, "token")? {
            Some(Value::String(text)) if !text.is_empty() => text,
            Some(Value::Number(number)) => number.to_string(),
            _ => return Err(bad("the answer to the login has no token where `token` looks for it")),
        };
        if token.len() > TOKEN_BYTES {
            return Err(bad("the token is too long"));
        }
        let (found, field) = match &self.lasts {
            Lasts::Open => (None, ""),
            Lasts::Seconds(seconds) => (Some(Value::from(*seconds)), "expires_in"),
            Lasts::In(expression) => (value(evaluator, expression, "expires_in")?, "expires_in"),
            Lasts::At(expression) => (value(evaluator, expression, "expires_at")?, "expires_at"),
        };
        let lasts = match found.filter(|found| !found.is_null()) {
            None => None,
            Some(found) => {
                let lasts = if field == "expires_at" { until(&found, Utc::now()) } else { seconds(&found) };
                Some(lasts.ok_or_else(|| bad(&format!("what `{field}` finds is no time")))?)
            }
        };
        Ok(Fresh { token, lasts: lasts.map(|lasts| lasts.min(LONGEST)) })
    }
}

/// What an answer means that is no success of a login.
pub(crate) fn refused(answer: &Answer, place: &str, redactor: &Redactor) -> Option<Error> {
    let status = answer.status;
    if status < 400 {
        return None;
    }
    let said = failure::quoted(answer, redactor);
    if matches!(status, 400 | 401 | 403) {
        let text = "the login was refused; check the secrets of the instance";
        return Some(Error::fatal(REFUSED, format_args!("{place}: {text}: {status}{said}")));
    }
    let error = Error::retryable("login_failed", format_args!("{place}: the login failed: {status}{said}"));
    Some(match failure::wait(&answer.headers, status, Utc::now()) {
        Some(wait) => error.retry_after(wait),
        None => error,
    })
}

/// What the expressions of the request see.
pub(crate) fn scope(vars: &Value, secrets: &Arc<Map<String, Value>>) -> Map<String, Value> {
    let mut scope = Map::new();
    scope.insert("vars".to_owned(), vars.clone());
    scope.insert("secrets".to_owned(), Value::Object(Map::clone(secrets)));
    scope
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = plain(value).trim().parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A time, from now. One that has passed means now.
fn until(value: &Value, now: DateTime<Utc>) -> Option<Duration> {
    let text = plain(value);
    if let Ok(number) = text.trim().parse::<f64>() {
        // Seconds reach this number in the year 5138.
        let seconds = if number > 1e11 { number / 1000.0 } else { number };
        let left = seconds - now.timestamp_millis() as f64 / 1000.0;
        return Duration::try_from_secs_f64(left.max(0.0)).ok();
    }
    let time =
        DateTime::parse_from_rfc3339(text.trim()).or_else(|_| DateTime::parse_from_rfc2822(text.trim()));
    Some((time.ok()?.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_understood_in_four_ways() {
        let now = "2026-11-06T08:49:07Z".parse().unwrap();
        for (value, expect) in [
            (json!("2026-11-06T09:49:37+01:00"), Some(30)),
            (json!("Fri, 06 Nov 2026 08:49:37 GMT"), Some(30)),
            (json!(1_793_954_977), Some(30)),
            (json!("1793954977000"), Some(30)),
            (json!("2020-01-01T00:00:00Z"), Some(0)),
            (json!("tomorrow"), None),
            (json!({}), None),
        ] {
            assert_eq!(until(&value, now).map(|left| left.as_secs()), expect, "{value}");
        }
        assert_eq!(seconds(&json!("90")), Some(Duration::from_secs(90)));
        assert_eq!(seconds(&json!(-1)), None);
    }
}
