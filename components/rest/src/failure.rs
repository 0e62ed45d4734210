//! What went wrong with an exchange, in words that hold no query and no secret.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Map, Value};
use sluice_addresses::{Refused, was_refused};
use sluice_sdk::{Error, chain, retry_after};
use url::Url;

use crate::answer::Answer;
use crate::digest::Question;
use crate::hosts;
use crate::redact::Redactor;
use crate::reset;

/// How much of an answer an error repeats, in characters.
const QUOTED: usize = 300;

/// Where a request went: method, host and path.
pub(crate) fn place(method: &Method, url: &Url) -> String {
    format!("{method} {}{}", hosts::name(url), url.path())
}

/// What a request that got no answer, or only half of one, means.
pub(crate) fn transport(error: &reqwest::Error, place: &str) -> Error {
    if was_refused(error) {
        return Error::fatal("host_refused", format_args!("{place}: no request goes there, {Refused}"));
    }
    let causes = error.source().map_or_else(String::new, |cause| format!(": {}", chain(cause)));
    if error.is_timeout() {
        Error::retryable("timeout", format_args!("{place}: no answer in time"))
    } else if error.is_connect() {
        Error::retryable("connect", format_args!("{place}: the connection failed{causes}"))
    } else if error.is_builder() {
        Error::fatal("bad_request", format_args!("{place}: the request cannot be made{causes}"))
    } else {
        Error::retryable("transport", format_args!("{place}: the exchange broke off{causes}"))
    }
}

/// The error of an answer that is none of success. `message` is the manifest's own.
pub(crate) fn of_answer(answer: &Answer, question: &Question, retry: bool, message: Option<&str>) -> Error {
    let status = answer.status;
    let (code, text) = (format!("http_{status}"), told(answer, question, message));
    if !retry {
        return Error::fatal(&code, text);
    }
    let error = Error::retryable(&code, text);
    match wait(&answer.headers, status, Utc::now()) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// An answer that is none of success, in words.
pub(crate) fn told(answer: &Answer, question: &Question, message: Option<&str>) -> String {
    let text = message.map_or_else(|| answer.beginning(), str::to_owned);
    format!("{}: {}{}", question.place, answer.status, clean(&text, &question.redactor))
}

/// The beginning of an answer after a colon; nothing when it is empty.
pub(crate) fn quoted(answer: &Answer, redactor: &Redactor) -> String {
    clean(&answer.beginning(), redactor)
}

fn clean(text: &str, redactor: &Redactor) -> String {
    // Before it is cut: half a secret would not be recognised.
    let said = quote(&redactor.text(text));
    if said.is_empty() { said } else { format!(": {said}") }
}

/// Whether another attempt may succeed, by the status alone.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500
}

/// How long the other side asks to wait.
pub(crate) fn wait(headers: &Map<String, Value>, status: u16, now: DateTime<Utc>) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(Value::as_str);
    let asked = header("retry-after").and_then(|text| retry_after::parse(text, now));
    if asked.is_some() || status != 429 {
        return asked;
    }
    ["x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"]
        .into_iter()
        .find_map(|name| reset::until(header(name)?, now))
}

/// The beginning of a text, on one line.
fn quote(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
