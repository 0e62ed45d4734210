//! JSON bodies.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use super::json;
use crate::problem::{ErrorCode, Refusal};

/// A body that must be there.
pub(crate) struct Body<T>(pub(crate) T);

/// A body that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        if !kind {
            return Err(Refusal::new(
                ErrorCode::MediaType,
                "send the body with `Content-Type: application/json`",
            ));
        }
        read(&bytes).map(Self)
    }
}

impl<S, T> FromRequest<S> for OptionalBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Default,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !kind {
            return Err(Refusal::new(
                ErrorCode::MediaType,
                "send the body with `Content-Type: application/json`",
            ));
        }
        read(&bytes).map(Self)
    }
}

/// Reads an object. A list would pass for one whose fields nobody named, in their order.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let value = json::read(bytes)?;
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(Refusal::new(ErrorCode::BadField, "the body is a list; send an object")),
        Some(_) | None => Ok(value),
    }
}

/// The body whole, if it is within the route's bound.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state).await.map_err(|error: BytesRejection| {
        if error.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Refusal::new(ErrorCode::TooLarge, "the body is larger than this route reads")
        } else {
            Refusal::new(ErrorCode::BadBody, "the body broke off")
        }
    })
}

/// A form or a plain text from another site's page must not pass for JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
