//! The outermost layer: every request has an id, every refusal a body that names it, every answer the security headers.
//!
//! Answers of refusals that were made without a body (by the router or a library) get theirs here, so that a client
//! never sees anything but a problem.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, debug_span};

use crate::problem::{ErrorCode, Refusal};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer says: nothing here is a page, nothing is to be kept, nothing is to be guessed.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// What a refusal keeps of the answer that it was rendered into first: which methods there are, and who may read it.
const KEPT: [HeaderName; 4] =
    [header::ALLOW, header::VARY, header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS];

pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let id = next_id();
    let path = loggable(request.uri().path());
    let span = debug_span!("request", id, method = %request.method(), path);
    let mut response = next.run(request).instrument(span).await;
    if let Some(refusal) = refusal_of(&response) {
        let before = std::mem::replace(&mut response, refusal.respond(&id));
        for name in KEPT {
            if let Some(value) = before.headers().get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A path as it may be logged: what is behind `/hooks/` lets into a flow, and what is behind `/oauth/start/` begins an
/// authorisation.
fn loggable(path: &str) -> String {
    // An escaped or doubled slash must not get a key past this.
    for private in ["hooks", "oauth"] {
        if path.to_ascii_lowercase().contains(private) && !path.starts_with("/api/") {
            return format!("/{private}/…");
        }
    }
    path.chars().take(200).collect()
}

/// Marks an answer that is none of ours: a flow made it, and its status says nothing about Sluice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verbatim;

fn refusal_of(response: &Response) -> Option<Refusal> {
    if response.extensions().get::<Verbatim>().is_some() {
        return None;
    }
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        return Some(refusal.clone());
    }
    let status = response.status();
    let is_problem = status.is_client_error() || status.is_server_error();
    let has_body = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        // The pages for browsers are HTML.
        .is_some_and(|kind| {
            let known = ["application/problem+json", "application/json", "text/html"];
            known.iter().any(|known| kind.starts_with(known))
        });
    (is_problem && !has_body).then(|| {
        let code = ErrorCode::of_status(status);
        Refusal::new(code, code.title())
    })
}

/// Unique among this process's requests and very probably among those of others. It is a name, not a secret.
fn next_id() -> String {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    format!("{:012x}{:08x}", start & 0xffff_ffff_ffff, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_webhooks_are_not_logged() {
        for path in ["/hooks/secret", "//hooks/secret", "/Hooks/secret/x", "/x/../hooks/secret"] {
            assert_eq!(loggable(path), "/hooks/…");
        }
        assert_eq!(loggable("//oauth/start/secret"), "/oauth/…");
        assert_eq!(loggable("/api/v1/flows/a/hooks"), "/api/v1/flows/a/hooks");
    }
}
