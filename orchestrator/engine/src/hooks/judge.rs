//! What a request is: refused, a question, nothing of interest, or a message.
//!
//! The order is fixed: nothing of a body is read before its signature was found to be right. Only a `GET` that asks whether
//! this URL is ours is answered before, because such questions come unsigned.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sluice_formats::{Format, Limits, decode};
use sluice_mapping::{Evaluator, Root};
use sluice_protocol::Headers;
use sluice_webhook::{Request, Scheme, TokenPlace, body, verify};

use super::compiled::{Challenge, Delivery, Hook};
use crate::ingress::HookError;

/// Most characters of a delivery's id.
const ID: usize = 256;

/// What a request is.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The question whether the URL is ours, and the answer.
    Challenge { content_type: String, body: String },
    /// Nothing that the flow wants.
    Filtered,
    /// A message.
    Message { delivery: Option<String>, body: Value, headers: Headers },
}

/// What a request is judged with.
pub(crate) struct Case<'a> {
    pub(crate) hook: &'a Hook,
    pub(crate) request: &'a Request,
    /// The instance's settings.
    pub(crate) vars: Value,
    /// Any of them will do.
    pub(crate) secrets: &'a [SecretString],
    /// In seconds since 1970.
    pub(crate) now: i64,
}

/// Judges a request.
pub(crate) fn judge(evaluator: &mut Evaluator, case: Case<'_>) -> Result<Verdict, HookError> {
    let (hook, request) = (case.hook, case.request);
    if request.method == "GET"
        && let Some(challenge) = &hook.challenge
    {
        let root = Root::from(root(hook, request, case.vars.clone(), Value::Null));
        if let Some(verdict) = question(evaluator, challenge, &root)? {
            return Ok(verdict);
        }
    }
    let secrets: Vec<&str> = case.secrets.iter().map(ExposeSecret::expose_secret).collect();
    let verified = verify(&hook.scheme, &secrets, request, case.now).map_err(HookError::Refused)?;
    let root = Root::from(root(hook, request, case.vars, read(hook, request)?));
    if request.method != "GET"
        && let Some(challenge) = &hook.challenge
        && let Some(verdict) = question(evaluator, challenge, &root)?
    {
        return Ok(verdict);
    }
    if let Some(filter) = &hook.filter
        && !filter.truthy(evaluator, &root)?
    {
        return Ok(Verdict::Filtered);
    }
    let delivery = delivery(evaluator, hook, request, &root)?.or(verified.delivery_id);
    let body = match &hook.body {
        Some(mapping) => evaluator.map(mapping, &root)?,
        None => root.value()["request"]["body"].clone(),
    };
    let said = &root.value()["request"];
    let mut headers = Headers::new();
    headers.insert("method".to_owned(), said["method"].clone());
    headers.insert("query".to_owned(), said["query"].clone());
    for name in hook.headers.iter().map(|name| name.to_ascii_lowercase()) {
        if let Some(value) = said["headers"].get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok(Verdict::Message { delivery, body, headers })
}

fn question(
    evaluator: &mut Evaluator,
    challenge: &Challenge,
    root: &Root<'_>,
) -> Result<Option<Verdict>, HookError> {
    if !challenge.when.truthy(evaluator, root)? {
        return Ok(None);
    }
    let body = match challenge.body.value(evaluator, root)? {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    Ok(Some(Verdict::Challenge { content_type: challenge.content_type.clone(), body }))
}

fn read(hook: &Hook, request: &Request) -> Result<Value, HookError> {
    let (content_type, limits) = (request.header("content-type"), Limits::default());
    let value = match hook.format {
        Some(Format::Text | Format::Bytes) | None if request.body.is_empty() => Ok(Value::Null),
        Some(format) => decode(format, &request.body, content_type, &limits),
        None => body::read(content_type, &request.body, &limits),
    };
    value.map_err(HookError::Body)
}

/// What expressions see. Where the secret itself is sent it is left out, so that it gets into no message.
fn root(hook: &Hook, request: &Request, vars: Value, body: Value) -> Value {
    let (mut headers, mut query): (Map<String, Value>, Map<String, Value>) = (Map::new(), Map::new());
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value).into_owned();
        match headers.get_mut(&name.to_ascii_lowercase()) {
            // RFC 9110, section 5.3.
            Some(Value::String(before)) => *before = format!("{before}, {text}"),
            Some(_) | None => {
                headers.insert(name.to_ascii_lowercase(), Value::String(text));
            }
        }
    }
    for (name, value) in request.parameters() {
        match query.get_mut(&name) {
            None => {
                query.insert(name, Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(before) => *before = json!([before.take(), value]),
        }
    }
    match &hook.scheme {
        Scheme::Token(TokenPlace::Header(name)) => headers.remove(&name.to_ascii_lowercase()),
        Scheme::Token(TokenPlace::Query(name)) => query.remove(name),
        Scheme::Hmac(_) | Scheme::None => None,
    };
    let request = json!({ "method": request.method, "headers": headers, "query": query, "body": body });
    json!({ "vars": vars, "config": hook.config, "request": request })
}

fn delivery(
    evaluator: &mut Evaluator,
    hook: &Hook,
    request: &Request,
    root: &Root<'_>,
) -> Result<Option<String>, HookError> {
    let Some((place, needed)) = &hook.delivery else { return Ok(None) };
    let found = match place {
        Delivery::Header(name) => request.header(name).map(str::to_owned),
        Delivery::Value(expression) => match expression.value(evaluator, root)? {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) | None => None,
        },
    };
    match found.filter(|id| !id.is_empty() && id.len() <= ID) {
        None if *needed => Err(HookError::NoDelivery),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests;
