//! `Idempotency-Key`: a request that is sent twice is done once.
//!
//! The same caller, key and request get the first answer again; another request under the same key is refused, and so is
//! one that comes while the first still runs. Answers are kept in this process's memory, at most a day and within
//! bounds: a restart forgets them. Faults of ours are not kept, so that a repetition tries again.

use std::collections::{BTreeMap, HashMap, VecDeque};
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
        kept.forget_old();
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
        if !kept.make_room(&key.0) {
            let why = "too many requests with idempotency keys still run; ask again later";
            return Err(Refusal::new(ErrorCode::Crowded, why));
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

    /// Forgets what is older than anything is kept.
    fn forget_old(&mut self) {
        let is_old = |entry: &Entry| entry.answer.is_some() && entry.since.elapsed() > KEPT_FOR;
        while let Some(oldest) = self.order.front().cloned()
            && self.entries.get(&oldest).is_none_or(is_old)
        {
            self.forget(&oldest);
        }
    }

    /// How much is kept for each caller: entries and bytes.
    fn shares(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut shares: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for ((caller, _), entry) in &self.entries {
            let (count, bytes) = shares.entry(caller).or_default();
            *count += 1;
            *bytes += entry.answer.as_ref().map_or(0, |stored| stored.body.len());
        }
        shares
    }

    /// Makes room for one more entry of a caller: who has more than a share loses what is oldest of it, and where all
    /// together have too much, who has most does. A request that still runs is never forgotten, since it would run twice;
    /// false where nothing else is left.
    fn make_room(&mut self, caller: &str) -> bool {
        loop {
            let shares = self.shares();
            let (count, bytes) = shares.get(caller).copied().unwrap_or_default();
            let loser = if count >= MOST_ENTRIES / SHARE || bytes >= MOST_BYTES / SHARE {
                caller.to_owned()
            } else if self.entries.len() >= MOST_ENTRIES {
                most(&shares, |(count, _)| count)
            } else if self.bytes >= MOST_BYTES {
                most(&shares, |(_, bytes)| bytes)
            } else {
                return true;
            };
            let is_done = |key: &&Key| {
                key.0 == loser && self.entries.get(*key).is_none_or(|entry| entry.answer.is_some())
            };
            let Some(oldest) = self.order.iter().find(is_done).cloned() else { return false };
            self.forget(&oldest);
        }
    }
}

/// The caller that has most of something.
fn most(shares: &BTreeMap<&str, (usize, usize)>, of: fn((usize, usize)) -> usize) -> String {
    shares
        .iter()
        .max_by_key(|(_, share)| of(**share))
        .map_or_else(String::new, |(caller, _)| (*caller).to_owned())
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
        let kept = replays.kept();
        assert_eq!(kept.order.len(), kept.entries.len());
        assert_eq!(kept.shares()["many"].0, MOST_ENTRIES / SHARE);
        drop(kept);
        assert!(begin(&replays, "many", 0), "the first of them is not");
    }

    #[test]
    fn a_key_that_comes_again_makes_none_be_forgotten() {
        let replays = Replays::default();
        for key in 0..MOST_ENTRIES / SHARE {
            assert!(begin(&replays, "one", key));
        }
        for key in 0..MOST_ENTRIES / SHARE {
            assert!(!begin(&replays, "one", key), "{key} is still known");
        }
    }

    #[test]
    fn many_callers_with_many_keys_make_nobody_elses_be_forgotten() {
        let replays = Replays::default();
        assert!(begin(&replays, "one", 0));
        for caller in 0..3 * SHARE {
            for key in 0..MOST_ENTRIES / SHARE {
                begin(&replays, &format!("many{caller}"), key);
            }
        }
        assert!(!begin(&replays, "one", 0), "it is still known");
        let kept = replays.kept();
        assert!(kept.entries.len() <= MOST_ENTRIES);
        let least = kept.shares().into_values().map(|(count, _)| count).min();
        assert_eq!(least, Some(1), "each has something");
        assert_eq!(kept.shares().len(), 3 * SHARE + 1);
    }

    #[test]
    fn a_request_that_runs_is_never_forgotten() {
        let replays = Replays::default();
        let key = |number: usize| ("one".to_owned(), number.to_string());
        for number in 0..MOST_ENTRIES / SHARE {
            assert!(replays.begin(&key(number), [0; 32]).unwrap().is_none());
        }
        for number in [MOST_ENTRIES, 0] {
            assert!(replays.begin(&key(number), [0; 32]).is_err(), "{number}: it would run twice");
        }
        let stored = Stored { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
        replays.kept().keep(&key(7), stored);
        assert!(replays.begin(&key(MOST_ENTRIES), [0; 32]).unwrap().is_none(), "what is done makes room");
        assert!(replays.begin(&key(0), [0; 32]).is_err());
    }
}
