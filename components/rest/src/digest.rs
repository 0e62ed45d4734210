//! Understands an answer: whether it is a success, what its result is, and what it says of the next page.
//!
//! All of it happens in one go on the bench, over one root, since large answers are costly to convert.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use sluice_declarative::Reaction;
use sluice_formats::FormatError;
use sluice_mapping::{Evaluator, Root};
use sluice_sdk::Error;
use sluice_sdk::protocol::gateway::NEEDS_REAUTH;

use crate::answer::{Answer, LIGHT, Room};
use crate::expression::{Expr, failed, plain};
use crate::failure;
use crate::redact::Redactor;
use crate::step::{Compiled, Pages, Rule};

/// What was asked.
pub(crate) struct Question {
    /// The number of the page, from 1.
    pub(crate) page: u64,
    /// Method, host and path, for errors.
    pub(crate) place: String,
    pub(crate) redactor: Arc<Redactor>,
    /// The request, where the expression of the next page sees it.
    pub(crate) request: Option<Value>,
}

/// What an answer came to.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) source: Source,
    pub(crate) found: Found,
    /// What `next` gave: a token or a URL.
    pub(crate) next: Option<String>,
    /// What `next` wants to be laid over the request.
    pub(crate) onward: Option<Value>,
    /// The `Link` header.
    pub(crate) link: Option<String>,
    /// `stop` is true.
    pub(crate) stop: bool,
    /// The place of a large answer, for as long as its items are held.
    pub(crate) room: Option<Room>,
}

/// What an answer says besides its body. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) status: u16,
    headers: Arc<Map<String, Value>>,
}

impl Source {
    /// As scripts see it.
    pub(crate) fn told(&self) -> Value {
        json!({ "status": self.status, "headers": *self.headers })
    }
}

/// The result: one value, or the items of a page.
#[derive(Debug)]
pub(crate) enum Found {
    Value(Value),
    Items(Vec<Value>),
}

impl Found {
    pub(crate) fn into_items(self) -> Vec<Value> {
        match self {
            Self::Value(value) => vec![value],
            Self::Items(items) => items,
        }
    }
}

/// Why an answer has no digest.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is an error.
    Error(Error),
    /// The token was refused, in words. Another one may do.
    Token(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Understands an answer over `{ vars, config, input or cursor, response }`.
pub(crate) fn digest(
    step: &Compiled,
    evaluator: &mut Evaluator,
    scope: &Map<String, Value>,
    answer: Answer,
    question: &Question,
) -> Result<Digest, Refusal> {
    // Expressions take as much again, so one large answer is understood at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = (answer.bytes.len() > LIGHT).then(|| ONE.lock().unwrap_or_else(PoisonError::into_inner));
    let status = answer.status;
    let (body, unread) = read(step, &answer);
    let link = answer.headers.get("link").and_then(Value::as_str).map(str::to_owned);
    let mut document = scope.clone();
    let response = json!({ "status": status, "headers": answer.headers.clone(), "body": null });
    document.insert("response".to_owned(), response);
    let mut document = Value::Object(document);
    document["response"]["body"] = body;
    let root = Root::new(&document);
    let ignored = judge(step, evaluator, &root, &answer, question)?;
    if answer.cut {
        let text = format!("{}: the answer has more than {} bytes", question.place, step.max_response_bytes);
        return Err(Error::fatal("response_too_large", text).into());
    }
    if let Some(why) = unread.filter(|_| !ignored) {
        let text = format!("{}: {status}, but the body cannot be read: {why}", question.place);
        return Err(Error::fatal("bad_response", text).into());
    }
    let result = step.result.as_ref().map(|result| result.value(evaluator, &root)).transpose()?;
    let by_value = step.pages.as_ref().filter(|pages| !pages.is_custom());
    let next = match by_value.and_then(|pages| pages.next.as_ref()) {
        Some(next) => next.value(evaluator, &root)?.and_then(token),
        None => None,
    };
    drop(root);
    let is_list = step.pages.is_some() || step.watch.is_some();
    let lenient = ignored && !(200..300).contains(&status);
    let found = match (is_list, result) {
        (true, Some(result)) => Found::Items(list(result, step.result.as_ref(), question, lenient)?),
        (true, None) => {
            let is_needed =
                step.pages.as_ref().is_some_and(|pages| pages.stop.is_some() || pages.is_custom());
            let body = &mut document["response"]["body"];
            let body = if is_needed { body.clone() } else { body.take() };
            Found::Items(list(Some(body), None, question, lenient)?)
        }
        (false, Some(result)) => Found::Value(result.unwrap_or(Value::Null)),
        (false, None) => Found::Value(document["response"]["body"].take()),
    };
    let (stop, onward) = match (&step.pages, &found) {
        (Some(pages), Found::Items(items)) => after(pages, evaluator, document, items, question)?,
        (Some(_), Found::Value(_)) | (None, _) => (false, None),
    };
    let source = Source { status, headers: Arc::new(answer.headers) };
    Ok(Digest { source, found, next, onward, link, stop, room: answer.room })
}

/// The body, or its beginning and perhaps why there is no more of it.
fn read(step: &Compiled, answer: &Answer) -> (Value, Option<FormatError>) {
    match answer.decode(step.form.format) {
        Ok(body) if !answer.cut => (body, None),
        Ok(_) => (answer.beginning().into(), None),
        Err(why) => (answer.beginning().into(), Some(why)),
    }
}

/// What expressions say that also see the page: whether it was the last, and what is laid over the request for the next.
fn after(
    pages: &Pages,
    evaluator: &mut Evaluator,
    mut document: Value,
    items: &[Value],
    question: &Question,
) -> Result<(bool, Option<Value>), Error> {
    document["page"] = json!({ "number": question.page, "items": items.len() });
    if let Some(stop) = &pages.stop
        && stop.truthy(evaluator, &Root::new(&document))?
    {
        return Ok((true, None));
    }
    let Some(next) = pages.next.as_ref().filter(|_| pages.is_custom()) else { return Ok((false, None)) };
    document["items"] = Value::Array(items.to_vec());
    document["request"] = question.request.clone().unwrap_or_default();
    Ok((false, next.value(evaluator, &Root::new(&document))?))
}

/// Whether the answer is a success: `true` where only a rule made it one.
fn judge(
    step: &Compiled,
    evaluator: &mut Evaluator,
    root: &Root<'_>,
    answer: &Answer,
    question: &Question,
) -> Result<bool, Refusal> {
    let status = answer.status;
    let (renews, authorised) = (step.auth.renews(), step.auth.is_authorized());
    for rule in &step.rules {
        if !fits(rule, evaluator, root, status)? {
            continue;
        }
        if rule.then == Reaction::Ignore {
            return Ok(true);
        }
        let message = match &rule.message {
            Some(message) => Some(evaluator.map(message, root).map_err(|error| failed(&error))?),
            None => None,
        };
        let message = message.filter(|message| !message.is_null()).map(|message| plain(&message));
        let message = message.as_deref();
        return Err(match rule.then {
            Reaction::Refresh if renews => Refusal::Token(failure::told(answer, question, message)),
            Reaction::Reauthorize if authorised => {
                Error::parked(NEEDS_REAUTH, failure::told(answer, question, message)).into()
            }
            then => failure::of_answer(answer, question, then == Reaction::Retry, message).into(),
        });
    }
    match status {
        200..300 => Ok(false),
        // RFC 6750, section 3.1: the token expired, or was revoked.
        401 if renews => Err(Refusal::Token(failure::told(answer, question, None))),
        _ => Err(failure::of_answer(answer, question, failure::is_transient(status), None).into()),
    }
}

fn fits(rule: &Rule, evaluator: &mut Evaluator, root: &Root<'_>, status: u16) -> Result<bool, Error> {
    if !(rule.status.is_empty() || rule.status.contains(&status)) {
        return Ok(false);
    }
    rule.when.as_ref().map_or(Ok(true), |when| when.truthy(evaluator, root))
}

/// The items of a page. JSONata gives a list of one as its one item and an empty one as nothing, so both count as lists.
fn list(
    found: Option<Value>,
    by: Option<&Expr>,
    question: &Question,
    lenient: bool,
) -> Result<Vec<Value>, Error> {
    let jsonata = by.is_some_and(Expr::is_jsonata);
    match found {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Null) => Ok(Vec::new()),
        None if jsonata => Ok(Vec::new()),
        Some(item @ Value::Object(_)) if jsonata && !lenient => Ok(vec![item]),
        _ if lenient => Ok(Vec::new()),
        _ => Err(Error::fatal("no_list", format_args!("{}: the result is no list of items", question.place))),
    }
}

/// The next token or URL; nothing, `null`, `false` and an empty text are none.
fn token(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        other => Some(plain(&other)),
    }
}
