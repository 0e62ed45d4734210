//! The component gateway. The calls are those of `sluice_protocol::gateway`; each container start has its own token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, RawPathParams, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use sluice_engine::{Engine, GatewayError};
use sluice_protocol::gateway::{
    Credentials, InvokeAnswer, InvokeRequest, NEEDS_REAUTH, RefreshRequest, Session, SessionRequest,
    StateRequest, StepState,
};
use sluice_protocol::limits;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::{bearer, unauthorized};
use crate::extract::{Body, Query};
use crate::listen::Stopping;
use crate::metrics::{self, Counted};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::{guard, request_id};

/// Most bytes of a body.
const BODY: usize = 64 * 1024;
/// Most bytes of a call of another instance: an input, and some for what is around it.
const CALL: usize = limits::RECORD_BYTES + BODY;
/// Most bytes of what a step keeps, and some for what is around it.
const STATE: usize = limits::STATE_BYTES + BODY;
/// How long a component may let itself be kept waiting. Less than the bound of every request.
const WAIT: u64 = 50;

/// The router of the gateway's listener.
pub fn router(engine: Arc<Engine>) -> Router {
    let counted = Counted { engine: engine.clone(), listener: "gateway" };
    Router::new()
        .route("/gateway/v1/session", post(session))
        .route("/gateway/v1/assignments", get(assignments))
        .route("/gateway/v1/credentials/{instance}", post(credentials))
        .route("/gateway/v1/credentials/{instance}/refresh", post(refresh))
        .route("/gateway/v1/invoke/{instance}", post(invoke).layer(DefaultBodyLimit::max(CALL)))
        .route("/gateway/v1/state", post(state).put(put_state).layer(DefaultBodyLimit::max(STATE)))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(axum::middleware::from_fn(guard::encoding))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(axum::middleware::from_fn(guard::time))
        .layer(axum::middleware::from_fn(request_id::layer))
        .layer(axum::middleware::from_fn_with_state(counted, metrics::count))
        .with_state(engine)
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
    #[serde(default)]
    wait: u64,
}

async fn session(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    Body(request): Body<SessionRequest>,
) -> Answer<Json<Session>> {
    Ok(Json(engine.gateway_session(token(&headers)?, request).await?))
}

async fn assignments(
    State(engine): State<Arc<Engine>>,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
    Query(query): Query<Since>,
) -> Answer<Response> {
    let wait = Duration::from_secs(query.wait.min(WAIT));
    let asked = engine.gateway_assignments(token(&headers)?, query.since, wait);
    let stopping = stopping.map(|Extension(stopping)| stopping).unwrap_or_default();
    // A component that waits must not hold up a server that stops; it asks again, with backoff, until there is one.
    let found = tokio::select! {
        found = asked => found?,
        () = stopping.begun() => None,
    };
    match found {
        Some(assignments) => Ok(Json(assignments).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn credentials(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    params: RawPathParams,
) -> Answer<Json<Credentials>> {
    let instance = params.iter().next().map_or("", |(_, instance)| instance);
    Ok(Json(engine.gateway_credentials(token(&headers)?, instance, None).await?))
}

async fn refresh(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    params: RawPathParams,
    Body(request): Body<RefreshRequest>,
) -> Answer<Json<Credentials>> {
    let instance = params.iter().next().map_or("", |(_, instance)| instance);
    Ok(Json(engine.gateway_credentials(token(&headers)?, instance, Some(request.version)).await?))
}

async fn invoke(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    params: RawPathParams,
    Body(request): Body<InvokeRequest>,
) -> Answer<Json<InvokeAnswer>> {
    let instance = params.iter().next().map_or("", |(_, instance)| instance);
    Ok(Json(engine.gateway_invoke(token(&headers)?, instance, request).await?))
}

async fn state(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    Body(request): Body<StateRequest>,
) -> Answer<Response> {
    let step = request.step;
    match engine.gateway_state(token(&headers)?, &step).await? {
        Some(value) => Ok(Json(StepState { step, value }).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn put_state(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    Body(state): Body<StepState>,
) -> Answer<StatusCode> {
    let token = token(&headers)?;
    if state.value.to_string().len() > limits::STATE_BYTES {
        let text = format!("what a step keeps has at most {} bytes", limits::STATE_BYTES);
        return Err(Refusal::new(ErrorCode::TooLarge, text));
    }
    engine.gateway_put_state(token, &state.step, &state.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn token(headers: &HeaderMap) -> Answer<&str> {
    bearer(headers).ok_or_else(unauthorized)
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unauthorized => unauthorized(),
            GatewayError::NeedsAuthorization(how) => {
                Self::new(ErrorCode::Conflict, how).because(NEEDS_REAUTH)
            }
            GatewayError::NotFound => {
                Self::new(ErrorCode::NotFound, "this container does not use such an instance")
            }
            GatewayError::NoStep => Self::new(ErrorCode::NotFound, "this container serves no such step"),
            GatewayError::Unavailable(error) => error.into(),
        }
    }
}
