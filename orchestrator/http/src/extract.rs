//! What handlers take out of requests. Whatever a client sends wrong ends here, as a refusal that names the place.

mod body;
mod json;

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use sluice_domain::AttachmentId;
use sluice_protocol::ComponentName;

pub(crate) use body::{Body, OptionalBody, bytes};
pub(crate) use json::read as read_json;

use crate::problem::{Answer, ErrorCode, Refusal};

/// What belongs to no tenant in particular. What a tenant may own is taken out of a path by [`Mine`](crate::scope::Mine).
pub(crate) trait Common {}

impl Common for AttachmentId {}
impl Common for ComponentName {}
impl Common for String {}

/// The one parameter of a path, parsed into what it names.
pub(crate) struct Named<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Named<T>
where
    S: Send + Sync,
    T: FromStr<Err: Display> + Common,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        parsed(params(parts, state).await?.first()).map(Self)
    }
}

/// A parameter of a path: its name and its text.
pub(crate) type Param = (String, String);

/// The parameters of a path, in their order.
pub(crate) async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Answer<Vec<Param>> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|error| Refusal::new(ErrorCode::BadPath, error.body_text()))?;
    Ok(params.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
}

/// A parameter of a path, parsed into what it names.
pub(crate) fn parsed<T: FromStr<Err: Display>>(param: Option<&Param>) -> Answer<T> {
    let bad = |detail: String| Refusal::new(ErrorCode::BadPath, detail);
    let (name, text) = param.ok_or_else(|| bad("the path lacks a name".to_owned()))?;
    text.parse().map_err(|error: T::Err| bad(format!("{name}: {error}")))
}

/// The query, whose fields are all known.
pub(crate) struct Query<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let bad = |error: QueryRejection| Refusal::new(ErrorCode::BadQuery, error.body_text());
        query.map(|query| Self(query.0)).map_err(bad)
    }
}
