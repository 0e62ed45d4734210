//! The webhooks of flows, and the keys of their URLs.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sluice_domain::{Delay, StepId};
use sluice_engine::FlowRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::OptionalBody;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, MineAnd};
use crate::{ApiState, dto};

/// How long old keys go on working when nothing else is said.
const GRACE: Duration = Duration::from_secs(24 * 3600);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rotate)).routes(routes!(revoke))
}

/// Lists the webhooks of a flow with their URLs. Whoever knows a URL may send to it, so this needs the permission `write`.
#[utoipa::path(get, path = "/api/v1/flows/{flow}/hooks", tag = "hooks",
    params(("flow" = String, Path, description = "Its name or id")),
    responses((status = 200, body = Vec<dto::Hook>)))]
async fn list(State(state): State<ApiState>, Mine(flow): Mine<FlowRef>) -> Answer<Json<Vec<dto::Hook>>> {
    let hooks = state.engine.hooks(&flow).await?;
    Ok(Json(hooks.into_iter().map(|hook| dto::Hook::of(hook, state.public_url.as_deref())).collect()))
}

/// Gives a webhook a new URL. The ones before go on working for a while.
#[utoipa::path(post, path = "/api/v1/flows/{flow}/hooks/{step}/rotate", tag = "hooks",
    request_body = Option<dto::RotateHook>,
    params(("flow" = String, Path, description = "Its name or id"), ("step" = String, Path)),
    responses((status = 200, body = dto::Hook)))]
async fn rotate(
    State(state): State<ApiState>,
    MineAnd(flow, step): MineAnd<FlowRef, StepId>,
    OptionalBody(body): OptionalBody<dto::RotateHook>,
) -> Answer<Json<dto::Hook>> {
    let grace = body.grace.as_deref().map(str::parse::<Delay>).transpose();
    let grace = grace.map_err(|error| Refusal::new(ErrorCode::BadField, format!("`grace`: {error}")))?;
    let hook = state.engine.rotate_hook(&flow, &step, grace.map_or(GRACE, Delay::get)).await?;
    Ok(Json(dto::Hook::of(hook, state.public_url.as_deref())))
}

/// Ends all URLs of a webhook at once. It has none until it is rotated.
#[utoipa::path(delete, path = "/api/v1/flows/{flow}/hooks/{step}", tag = "hooks",
    params(("flow" = String, Path, description = "Its name or id"), ("step" = String, Path)),
    responses((status = 204)))]
async fn revoke(
    State(state): State<ApiState>,
    MineAnd(flow, step): MineAnd<FlowRef, StepId>,
) -> Answer<StatusCode> {
    state.engine.revoke_hook(&flow, &step).await?;
    Ok(StatusCode::NO_CONTENT)
}
