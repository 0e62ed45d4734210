//! What an operator does with a flow.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use sluice_domain::{Intent, StepId};
use sluice_engine::FlowRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::OptionalBody;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::Mine;
use crate::{ApiState, dto, etag};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(pause)).routes(routes!(stop))
}

/// Routes that heed an `Idempotency-Key`.
pub(super) fn replayed_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(trigger))
}

async fn want(
    state: &ApiState,
    flow: &FlowRef,
    headers: &HeaderMap,
    intent: Intent,
) -> Answer<impl IntoResponse + use<>> {
    etag::check(state, flow, headers).await?;
    let flow = state.engine.set_intent(flow, intent).await?;
    Ok((StatusCode::ACCEPTED, etag::header(&flow), Json(dto::FlowState::from(flow))))
}

/// Starts a flow, or lets a paused one go on.
#[utoipa::path(post, path = "/api/v1/flows/{flow}/start", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id"), ("if-match" = Option<String>, Header)),
    responses((status = 202, body = dto::FlowState)))]
async fn start(
    State(state): State<ApiState>,
    Mine(flow): Mine<FlowRef>,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    want(&state, &flow, &headers, Intent::Run).await
}

/// Pauses a flow: triggers are silent and messages wait in their lanes.
#[utoipa::path(post, path = "/api/v1/flows/{flow}/pause", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id"), ("if-match" = Option<String>, Header)),
    responses((status = 202, body = dto::FlowState)))]
async fn pause(
    State(state): State<ApiState>,
    Mine(flow): Mine<FlowRef>,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    want(&state, &flow, &headers, Intent::Pause).await
}

/// Stops a flow: triggers are silent, what is under way finishes, then containers that nobody else needs go.
#[utoipa::path(post, path = "/api/v1/flows/{flow}/stop", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id"), ("if-match" = Option<String>, Header)),
    responses((status = 202, body = dto::FlowState)))]
async fn stop(
    State(state): State<ApiState>,
    Mine(flow): Mine<FlowRef>,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    want(&state, &flow, &headers, Intent::Stop).await
}

/// Fires a trigger at once, or sends a message as if a trigger had emitted it.
#[utoipa::path(post, path = "/api/v1/flows/{flow}/trigger", tag = "flows", request_body = Option<dto::Trigger>,
    params(("flow" = String, Path, description = "Its name or id"), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = dto::Triggered)))]
async fn trigger(
    State(state): State<ApiState>,
    Mine(flow): Mine<FlowRef>,
    OptionalBody(body): OptionalBody<dto::Trigger>,
) -> Answer<(StatusCode, Json<dto::Triggered>)> {
    let step = step("step", body.step.as_deref())?;
    let message = state.engine.trigger(&flow, step.as_ref(), body.body).await?;
    Ok((StatusCode::ACCEPTED, Json(dto::Triggered { message: message.to_string() })))
}

/// The step that a field of a body names.
pub(super) fn step(field: &str, text: Option<&str>) -> Answer<Option<StepId>> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error| Refusal::new(ErrorCode::BadField, format!("`{field}`: {error}")))
}
