//! `Idempotency-Key`: a request that is sent twice is done once.
//!
//! The same caller, key and request get the first answer again; another request under the same key is refused, and so is
//! one that comes while the first still runs. Answers are kept in this process's memory, at most a day and within
//! bounds: a restart forgets them. Faults of ours are not kept, so that a repetition tries again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::ApiState;
use crate::access::Caller;
use crate::extract::bytes;
use crate::problem::{Answer, ErrorCode, Refusal};

const HEADER: &str = "idempotency-key";
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
const MOST_ENTRIES: usize = 1000;
const MOST_BYTES: usize = 16 << 20;
/// The share of both that one caller has: who sends many keys makes nobody else's be forgotten.
const SHARE: usize = 4;

/// The answers that are kept.
#[derive(Clone, Default)]
pub(crate) struct Replays(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Keys in the order in which they came.
    order: VecDeque<Key>,
    bytes: usize,
}

type Key = (String, String);

struct Entry {
    request: [u8; 32],
    since: Instant,
    answer: Option<Stored>,
}

#[derive(Clone)]
struct Stored {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

pub(crate) async fn layer(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    if !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    replay(&state.replays, &caller, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn replay(replays: &Replays, caller: &Caller, request: Request, next: Next) -> Answer<Response> {
    let key = (caller.id(), key(request.headers())?);
    let (parts, body) = request.into_parts();
    let route = format!("{} {}", parts.method, parts.uri);
    let mut whole = Request::new(body);
    *whole.extensions_mut() = parts.extensions.clone();
    let body = bytes(whole, &()).await?;
    let hash = Sha256::new().chain_update(route).chain_update([0]).chain_update(&body).finalize().into();
    if let Some(stored) = replays.begin(&key, hash)? {
        return Ok(stored.respond());
    }
    let pending = Pending { replays, key, done: false };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Refusal::new(
            ErrorCode::Internal,
            "the answer was too long to be kept; repeat without the idempotency key",
        )
    })?;
    let stored = Stored { status: parts.status, headers: parts.headers.clone(), body: body.clone() };
    pending.end(stored);
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn key(headers: &HeaderMap) -> Answer<String> {
    let mut values = headers.get_all(HEADER).iter();
    let text = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && values.next().is_none() {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(
        ErrorCode::BadRequest,
        "an `Idempotency-Key` has 1 to 255 visible ASCII characters, and stands once",
    ))
}

impl Stored {
    fn respond(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        *response.headers_mut() = self.headers;
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
        response
    }
}

/// A request that runs. Its key is free again when it comes to nothing, also when its client went away.
struct Pending<'a> {
    replays: &'a Replays,
    key: Key,
    done: bool,
}

impl Pending<'_> {
    fn end(mut self, stored: Stored) {
        self.done = !stored.status.is_server_error();
        if self.done {
            self.replays.kept().keep(&self.key, stored);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.replays.kept().forget(&self.key);
        }
    }
}

impl Replays {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that was given, or none: then the caller must end the key.
    fn begin(&self, key: &Key, request: [u8; 32]) -> Answer<Option<Stored>> {
        let mut kept = self.kept();
        kept.make_room(&key.0);
        if let Some(entry) = kept.entries.get(key) {
            if entry.request != request {
                return Err(Refusal::new(
                    ErrorCode::KeyReused,
                    "take a new idempotency key for a new request",
                ));
            }
            let busy = || Refusal::new(ErrorCode::KeyBusy, "the first request still runs; ask again later");
            return entry.answer.clone().map(Some).ok_or_else(busy);
        }
        kept.order.push_back(key.clone());
        kept.entries.insert(key.clone(), Entry { request, since: Instant::now(), answer: None });
        Ok(None)
    }
}

impl Kept {
    fn keep(&mut self, key: &Key, stored: Stored) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes += stored.body.len();
            entry.answer = Some(stored);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.answer.map_or(0, |stored| stored.body.len());
        }
        self.order.retain(|other| other != key);
    }

    /// How much is kept for a caller: entries and bytes.
    fn of(&self, caller: &str) -> (usize, usize) {
        let own = self.entries.iter().filter(|(key, _)| key.0 == caller);
        own.fold((0, 0), |(count, bytes), (_, entry)| {
            (count + 1, bytes + entry.answer.as_ref().map_or(0, |stored| stored.body.len()))
        })
    }

    /// Makes room for one more entry of a caller.
    fn make_room(&mut self, caller: &str) {
        loop {
            let (count, bytes) = self.of(caller);
            if count < MOST_ENTRIES / SHARE && bytes < MOST_BYTES / SHARE {
                break;
            }
            let Some(oldest) = self.order.iter().find(|key| key.0 == caller).cloned() else { break };
            self.forget(&oldest);
        }
        while let Some(oldest) = self.order.front().cloned() {
            let old = self.entries.get(&oldest).is_none_or(|entry| entry.since.elapsed() > KEPT_FOR);
            if !old && self.order.len() < MOST_ENTRIES && self.bytes < MOST_BYTES {
                break;
            }
            self.forget(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(replays: &Replays, caller: &str, key: usize) -> bool {
        let key = (caller.to_owned(), key.to_string());
        let is_new = replays.begin(&key, [0; 32]).unwrap().is_none();
        if is_new {
            let stored = Stored { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
            replays.kept().keep(&key, stored);
        }
        is_new
    }

    #[test]
    fn many_keys_of_one_caller_make_nobody_elses_be_forgotten() {
        let replays = Replays::default();
        assert!(begin(&replays, "one", 0));
        for key in 0..3 * MOST_ENTRIES {
            assert!(begin(&replays, "many", key));
        }
        assert!(!begin(&replays, "one", 0), "it is still known");
        assert!(!begin(&replays, "many", 3 * MOST_ENTRIES - 1), "and so is the last of the many");
        assert!(begin(&replays, "many", 0), "the first of them is not");
        let kept = replays.kept();
        assert_eq!(kept.order.len(), kept.entries.len());
        assert!(kept.of("many").0 <= MOST_ENTRIES / SHARE);
    }
}
