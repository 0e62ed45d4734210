//! Whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::bearer;
use crate::problem::Answer;
use crate::{Access, ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = dto::Live)))]
async fn live() -> Json<dto::Live> {
    Json(dto::Live { status: "live".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// Whether Sluice can do its work; with a token, also what is missing.
#[utoipa::path(get, path = "/readyz", tag = "health", security((), ("token" = [])), responses(
    (status = 200, body = dto::Ready),
    (status = 503, description = "It cannot.", body = dto::Ready),
))]
async fn ready(State(state): State<ApiState>, headers: HeaderMap) -> Answer<(StatusCode, Json<dto::Ready>)> {
    let readiness = state.engine.readiness().await;
    let known = match bearer(&headers) {
        _ if state.access == Access::Insecure => true,
        Some(token) => state.engine.authenticate(token).await.is_ok_and(|token| token.is_some()),
        None => false,
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons = if known { readiness.reasons } else { Vec::new() };
    Ok((status, Json(dto::Ready { ready: readiness.ready, reasons })))
}
