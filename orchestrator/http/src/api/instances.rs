//! Instances. They are made and changed by applying files.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sluice_domain::InstanceName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Query;
use crate::page::{self, PageQuery};
use crate::problem::Answer;
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(authorize))
        .routes(routes!(revoke))
}

/// Lists the instances by name.
#[utoipa::path(get, path = "/api/v1/instances", tag = "instances",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Instance>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Instance>>> {
    let all = state.engine.instances().await?.into_iter();
    let items = all.filter(|instance| scope.sees(&instance.name)).map(dto::Instance::from).collect();
    page::of_all(items, &query, |instance| instance.name.clone()).map(Json)
}

/// Shows an instance without its secrets.
#[utoipa::path(get, path = "/api/v1/instances/{instance}", tag = "instances",
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::Instance)))]
async fn get(State(state): State<ApiState>, Mine(name): Mine<InstanceName>) -> Answer<Json<dto::Instance>> {
    let mut instance: dto::Instance = state.engine.instance(&name).await?.into();
    instance.authorization = state.engine.authorization(&name).await?.map(Into::into);
    Ok(Json(instance))
}

/// Deletes an instance with its secrets. One that a flow uses stays.
#[utoipa::path(delete, path = "/api/v1/instances/{instance}", tag = "instances",
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 204)))]
async fn delete(State(state): State<ApiState>, Mine(name): Mine<InstanceName>) -> Answer<StatusCode> {
    state.engine.delete_instance(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to authorise an instance by OAuth 2.0: answers with what a person has to do.
#[utoipa::path(post, path = "/api/v1/instances/{instance}/authorize", tag = "instances",
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::Authorization)))]
async fn authorize(
    State(state): State<ApiState>,
    Mine(name): Mine<InstanceName>,
) -> Answer<Json<dto::Authorization>> {
    Ok(Json(state.engine.authorize(&name).await?.into()))
}

/// Ends the authorisation of an instance, at the provider and here. Steps that use it wait until it is authorised again.
#[utoipa::path(post, path = "/api/v1/instances/{instance}/revoke", tag = "instances",
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::Revoked)))]
async fn revoke(State(state): State<ApiState>, Mine(name): Mine<InstanceName>) -> Answer<Json<dto::Revoked>> {
    Ok(Json(dto::Revoked { not_told: state.engine.revoke_authorization(&name).await? }))
}
