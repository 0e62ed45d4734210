//! Bounds of a request inside the router: its time, its encoding, and what happens when a handler panics.

use std::any::Any;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::error;

use crate::problem::{ErrorCode, Refusal};

/// How long a request may take until its answer begins. Long polls and streams begin theirs in time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives up on requests that take too long, the reading of their bodies included.
pub(crate) async fn time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("no answer within {} s", PATIENCE.as_secs());
            let mut response = Refusal::new(ErrorCode::TimedOut, detail).into_response();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

/// Refuses compressed bodies: nothing here unpacks them, so nothing can be made to unpack too much.
pub(crate) async fn encoding(request: Request, next: Next) -> Response {
    if is_plain(request.headers()) {
        return next.run(request).await;
    }
    Refusal::new(ErrorCode::MediaType, "a body with a `Content-Encoding` is not read; send it plain")
        .into_response()
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What a client sees of a panic: nothing of it.
#[expect(clippy::needless_pass_by_value, reason = "the layer that calls it hands the panic over")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.unwrap_or("without a text"), "a handler panicked");
    Refusal::new(ErrorCode::Internal, "the request met a fault of Sluice; the log has more under its id")
        .into_response()
}
