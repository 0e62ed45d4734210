//! Flows. They are made and changed by applying files; what is wanted of them is in `verbs`, what goes on in `live`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use sluice_domain::Intent;
use sluice_engine::FlowRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Query;
use crate::page::{self, PageQuery};
use crate::problem::Answer;
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto, etag};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, delete))
}

/// Lists the flows by name.
#[utoipa::path(get, path = "/api/v1/flows", tag = "flows",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Flow>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Flow>>> {
    let items: Vec<dto::Flow> =
        state.engine.flows(scope.tenant()).await?.into_iter().map(Into::into).collect();
    page::of_all(items, &query, |flow| flow.flow.name.clone()).map(Json)
}

/// Shows a flow: its graph, how it stands and why, its counters.
#[utoipa::path(get, path = "/api/v1/flows/{flow}", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id")),
    responses((status = 200, body = dto::Flow, headers(("etag" = String)))))]
async fn get(State(state): State<ApiState>, Mine(flow): Mine<FlowRef>) -> Answer<impl IntoResponse> {
    let view = state.engine.flow(&flow).await?;
    Ok((etag::header(&view.flow), Json(dto::Flow::from(view))))
}

/// How a flow is deleted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    #[serde(default)]
    discard: bool,
}

/// Deletes a flow: its triggers fall silent, what is under way finishes, then it goes. With `discard` nothing is waited
/// for: what waits in lanes of the flow's own is thrown away, and what comes of it afterwards becomes dead letters.
#[utoipa::path(delete, path = "/api/v1/flows/{flow}", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id"), ("if-match" = Option<String>, Header),
        ("discard" = Option<bool>, Query, description = "Throw away what is under way")),
    responses((status = 202, body = dto::FlowState)))]
async fn delete(
    State(state): State<ApiState>,
    Mine(flow): Mine<FlowRef>,
    Query(how): Query<Deletion>,
    headers: HeaderMap,
) -> Answer<(StatusCode, Json<dto::FlowState>)> {
    etag::check(&state, &flow, &headers).await?;
    let intent = if how.discard { Intent::Discard } else { Intent::Delete };
    let flow = state.engine.set_intent(&flow, intent).await?;
    Ok((StatusCode::ACCEPTED, Json(flow.into())))
}
