//! Executions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sluice_domain::ExecutionStatus;
use sluice_ports::store::ExecutionFilter;
use sluice_protocol::ExecutionId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::verbs::step;
use crate::extract::{OptionalBody, Query};
use crate::page;
use crate::problem::Answer;
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Routes that heed an `Idempotency-Key`.
pub(super) fn replayed_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(retry))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    flow: Option<String>,
    status: Option<ExecutionStatus>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists executions, newest first.
#[utoipa::path(get, path = "/api/v1/executions", tag = "executions",
    params(
        ("flow" = Option<String>, Query, description = "Only of this flow: its name or id"),
        ("status" = Option<String>, Query, description = "`running`, `succeeded` or `failed`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000"),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = dto::Page<dto::Execution>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(which): Query<Which>,
) -> Answer<Json<dto::Page<dto::Execution>>> {
    let limit = page::limit(which.limit)?;
    let before = page::after(which.cursor.as_deref())?;
    let flows = scope.flows(&state, which.flow.as_deref()).await?;
    let filter = ExecutionFilter { flows, status: which.status, before, limit };
    let found =
        page::of_cut(state.engine.executions(&filter).await?, limit, |found| (found.started_at, found.id));
    Ok(Json(found.map(Into::into)))
}

/// Shows an execution with its step runs.
#[utoipa::path(get, path = "/api/v1/executions/{execution}", tag = "executions",
    params(("execution" = String, Path, description = "Its id")),
    responses((status = 200, body = dto::ExecutionDetail)))]
async fn get(
    State(state): State<ApiState>,
    Mine(id): Mine<ExecutionId>,
) -> Answer<Json<dto::ExecutionDetail>> {
    let (execution, runs) = state.engine.execution(id).await?;
    let step_runs = runs.into_iter().map(Into::into).collect();
    Ok(Json(dto::ExecutionDetail { execution: execution.into(), step_runs }))
}

/// Runs an execution again, from its trigger's output or from a step.
#[utoipa::path(post, path = "/api/v1/executions/{execution}/retry", tag = "executions",
    request_body = Option<dto::Retry>,
    params(("execution" = String, Path, description = "Its id"), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = dto::Retried)))]
async fn retry(
    State(state): State<ApiState>,
    Mine(id): Mine<ExecutionId>,
    OptionalBody(body): OptionalBody<dto::Retry>,
) -> Answer<(StatusCode, Json<dto::Retried>)> {
    let from = step("from", body.from.as_deref())?;
    let execution = state.engine.retry_execution(id, from.as_ref(), body.body).await?;
    Ok((StatusCode::ACCEPTED, Json(dto::Retried { execution: execution.to_string() })))
}
