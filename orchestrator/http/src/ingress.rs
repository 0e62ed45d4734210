//! `/hooks/{key}`: requests of the outside world to webhooks.
//!
//! No token is asked for: the key in the path lets in, and the webhook's signature proves the sender. So the path is never
//! logged and never repeated, an unknown key is answered like a revoked one, and why a signature was refused is in the log,
//! but for a code.
//!
//! A body has to come soon, and is waited for only where the key is known: who knows no key takes nobody's place. Who knows
//! one takes only so many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use sluice_engine::{Answered, HookAnswer, HookError, HookRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiState;
use crate::extract::{Common, Named, bytes};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::request_id::Verbatim;

/// The route.
pub(crate) const ROUTE: &str = "/hooks/{key}";
/// Most bytes of a body.
const BODY: usize = 10 << 20;
/// Requests at a time, the ones whose bodies are still coming included.
const AT_A_TIME: usize = 64;
/// Of these, the requests of one key: others are to get in, too.
const OF_ONE: usize = 48;
/// How long a body may take to come.
const COMING: Duration = Duration::from_secs(15);
/// What an answer may do in a browser, whoever wrote it: nothing to the origin that it comes from.
const ALONE: HeaderValue = HeaderValue::from_static("sandbox");
/// The same where the flow says nothing of it.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// Where requests of the outside world are taken.
#[derive(Clone)]
pub(crate) struct Door {
    places: Arc<Semaphore>,
    /// How many places each key holds.
    held: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for Door {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_A_TIME)), held: Arc::default() }
    }
}

impl Door {
    /// A place for a request to this key, unless there is none left.
    fn enter(&self, key: &str) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let mut held = lock(&self.held);
        let count = held.entry(key.to_owned()).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { held: self.held.clone(), key: key.to_owned(), _permit: permit })
    }
}

/// A place at the door, until it is dropped.
struct Place {
    held: Arc<Mutex<HashMap<String, usize>>>,
    key: String,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn router() -> Router<ApiState> {
    let methods = get(take).post(take).put(take);
    Router::new().route(ROUTE, methods).layer(DefaultBodyLimit::max(BODY))
}

async fn take(State(state): State<ApiState>, Named(key): Named<Key>, request: Request) -> Answer<Response> {
    // The router takes it for a GET that only leaves its body out.
    if request.method() == Method::HEAD {
        return Err(Refusal::new(ErrorCode::Method, "send GET, POST or PUT"));
    }
    state.engine.has_hook(&key.0).await?;
    let place = state.door.enter(&key.0).ok_or_else(busy)?;
    let request = tokio::time::timeout(COMING, read(request, &state)).await.map_err(|_| slow())??;
    let answer = state.engine.receive_hook(&key.0, request).await?;
    // Who waits for a flow is in nobody's way.
    drop(place);
    match answer {
        HookAnswer::Waiting(waiting) => answered(waiting.answered().await),
        other => Ok(present(other)),
    }
}

/// A key; any text may be one.
struct Key(String);

impl Common for Key {}

impl std::str::FromStr for Key {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

async fn read(request: Request, state: &ApiState) -> Answer<HookRequest> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let method = parts.method.as_str().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let body: Bytes = bytes(Request::from_parts(parts, body), state).await?;
    Ok(HookRequest { method, query, headers, body })
}

/// What the flow answers.
fn answered(answered: Answered) -> Answer<Response> {
    let reply = match answered {
        Answered::Reply(reply) => reply,
        Answered::Failed => {
            return Err(Refusal::new(ErrorCode::FlowFailed, "the flow failed before it answered"));
        }
        Answered::Late => {
            let text =
                "the flow did not answer in time; the request was accepted and may still be carried out";
            return Err(Refusal::new(ErrorCode::FlowLate, text));
        }
    };
    let (kind, body) = match reply.body {
        Value::Null => (None, String::new()),
        Value::String(text) => (Some("text/plain; charset=utf-8"), text),
        other => (Some("application/json"), other.to_string()),
    };
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in reply.headers {
        // The engine let only good ones through.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    // Several policies all hold, so a flow can add to ours and take nothing away.
    let policy = if headers.contains_key(header::CONTENT_SECURITY_POLICY) { ALONE } else { NOTHING };
    headers.append(header::CONTENT_SECURITY_POLICY, policy);
    response.extensions_mut().insert(Verbatim);
    Ok(response)
}

fn present(answer: HookAnswer) -> Response {
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match answer {
        HookAnswer::Waiting(_) | HookAnswer::Accepted(_) => {
            (StatusCode::ACCEPTED, json, "{}").into_response()
        }
        HookAnswer::Duplicate | HookAnswer::Filtered => (StatusCode::OK, json, "{}").into_response(),
        HookAnswer::Challenge { content_type, body } => {
            let plain = HeaderValue::from_static("text/plain");
            let kind = HeaderValue::from_str(&content_type).unwrap_or(plain);
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

fn busy() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "too many requests at a time; come again")
}

fn slow() -> Refusal {
    Refusal::new(ErrorCode::TimedOut, format!("the body did not come within {} s", COMING.as_secs()))
}

// The engine has logged the causes.
impl From<HookError> for Refusal {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Unknown => Self::new(ErrorCode::NotFound, "there is no such webhook"),
            HookError::Refused(refusal) => {
                Self::new(ErrorCode::Unsigned, "the webhook does not know the sender").because(refusal.code())
            }
            HookError::Body(error) => Self::new(ErrorCode::BadBody, error.to_string()),
            HookError::NoDelivery => {
                Self::new(ErrorCode::BadRequest, "the request has no id of its delivery")
                    .because("delivery_id_missing")
            }
            HookError::TooLarge => Self::new(ErrorCode::TooLarge, error.to_string()),
            HookError::Expression(_) => {
                Self::new(ErrorCode::BadField, "an expression of the connector failed on the request")
            }
            HookError::Crowded => Self::new(ErrorCode::Crowded, "too much waits already; come again"),
            HookError::Paused => Self::new(ErrorCode::Unavailable, "the flow does not run; come again"),
            HookError::Busy => busy(),
            HookError::Unavailable(_) => {
                Self::new(ErrorCode::Unavailable, "a service that is needed is away; come again")
            }
            HookError::Failed(_) | HookError::Broken => {
                Self::new(ErrorCode::Internal, "the request met a fault of Sluice; the log has the cause")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_takes_all_places() {
        let door = Door::default();
        let one: Vec<Place> = (0..AT_A_TIME).filter_map(|_| door.enter("one")).collect();
        assert_eq!(one.len(), OF_ONE);
        let others: Vec<Place> =
            (0..AT_A_TIME).filter_map(|number| door.enter(&format!("other {number}"))).collect();
        assert_eq!(others.len(), AT_A_TIME - OF_ONE);
        drop((one, others));
        assert!(lock(&door.held).is_empty(), "nothing is left behind");
        assert!(door.enter("one").is_some());
    }
}
