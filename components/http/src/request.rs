//! Action `request`: one HTTP request per input.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_sdk::{Action, Context, Error, Outputs};

use crate::answer::{self, FailOn};
use crate::auth::Auth;
use crate::exchange::{self, BodyType, Exchange, Shared};

#[derive(Default)]
pub(crate) struct Request {
    shared: Shared,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    body_type: BodyType,
    input: Option<InputIs>,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
    #[serde(default = "default_redirects")]
    redirects: usize,
    #[serde(default = "default_bytes")]
    max_response_bytes: usize,
    #[serde(default)]
    fail_on: FailOn,
    #[serde(default = "yes")]
    idempotency_key: bool,
}

pub(crate) fn default_timeout() -> u64 {
    30_000
}

pub(crate) fn default_redirects() -> usize {
    5
}

pub(crate) fn default_bytes() -> usize {
    1024 * 1024
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputIs {
    Body,
    Request,
}

/// An input that describes its request.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

impl Action for Request {
    type Config = Config;
    type Input = Value;

    async fn run(&self, cx: &Context, config: &Config, input: Value) -> Result<Outputs, Error> {
        let auth = Auth::of(cx).await?;
        let exchange = prepare(cx, config, input, &auth)?;
        let response = self.shared.send(cx, &auth, exchange).await?;
        let status = response.status().as_u16();
        if status == 401 {
            // The secret may have been replaced since it was fetched.
            cx.forget_credentials().await;
        }
        answer::check(&response, config.fail_on)?;
        let headers = answer::headers(&response);
        let body = answer::body(response, config.max_response_bytes).await?;
        Ok(Outputs::one(json!({ "status": status, "headers": headers, "body": body })))
    }
}

fn prepare(cx: &Context, config: &Config, input: Value, auth: &Auth) -> Result<Exchange, Error> {
    let by_default = if config.url.is_some() { InputIs::Body } else { InputIs::Request };
    let input_is = config.input.unwrap_or(by_default);
    let parts = match input_is {
        InputIs::Body => Parts { body: Some(input), ..Parts::default() },
        InputIs::Request => serde_json::from_value(input).map_err(|error| {
            Error::fatal("bad_input", format_args!("the input describes no request: {error}"))
        })?,
    };
    let method = method(parts.method.as_deref().or(config.method.as_deref()).unwrap_or("GET"))?;
    let url = parts.url.as_deref().or(config.url.as_deref());
    let mut url =
        auth.resolve(url.ok_or_else(|| Error::fatal("bad_input", "neither config nor input has a URL"))?)?;
    let mut query = config.query.clone();
    query.extend(parts.query);
    exchange::add_query(&mut url, &query);
    let mut wanted = config.headers.clone();
    wanted.extend(parts.headers);
    let mut headers = exchange::headers(&wanted)?;
    let safe = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if config.idempotency_key && !safe && !headers.contains_key("idempotency-key") {
        let id = cx.message_id().to_string();
        headers.insert(
            "idempotency-key",
            id.parse().map_err(|_| Error::fatal("bad_header", "idempotency-key"))?,
        );
    }
    if let Some(trace) = cx.traceparent().and_then(|trace| trace.parse().ok()) {
        headers.entry("traceparent").or_insert(trace);
    }
    let body = config.body.as_ref().or(parts.body.as_ref());
    // An input that is a body in general is none of a method that has no body.
    let bodiless = input_is == InputIs::Body && config.body.is_none() && (safe || method == Method::DELETE);
    let body =
        body.filter(|_| !bodiless).map(|body| exchange::write_body(config.body_type, body)).transpose()?;
    let timeout = Duration::from_millis(config.timeout_ms);
    Ok(Exchange { method, url, headers, body, timeout, redirects: config.redirects.min(5) })
}

pub(crate) fn method(name: &str) -> Result<Method, Error> {
    name.to_ascii_uppercase()
        .parse()
        .map_err(|_| Error::fatal("bad_method", format_args!("`{name}` is no method")))
}

#[cfg(test)]
mod tests;
