//! Deployments.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Query;
use crate::page::{self, PageQuery};
use crate::problem::Answer;
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the deployments and their containers.
#[utoipa::path(get, path = "/api/v1/deployments", tag = "deployments",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Deployment>)))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Deployment>>> {
    let mut items: Vec<dto::Deployment> =
        state.engine.deployments().await?.into_iter().map(Into::into).collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    page::of_all(items, &query, |deployment| deployment.id.clone()).map(Json)
}
