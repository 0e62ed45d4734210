//! Everything at a glance.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Answer;
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// Shows everything at a glance: flows, containers, the broker, alarms. Counters only grow; what two answers differ by is
/// what happened between them. What waits is looked at every five seconds.
#[utoipa::path(get, path = "/api/v1/overview", tag = "health",
    responses((status = 200, body = dto::Overview)))]
async fn overview(State(state): State<ApiState>) -> Answer<Json<dto::Overview>> {
    Ok(Json(state.engine.overview().await?.into()))
}
