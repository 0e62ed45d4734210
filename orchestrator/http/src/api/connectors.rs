//! Connectors.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sluice_domain::ImageRef;
use sluice_engine::UpgradeRequest;
use sluice_protocol::ComponentName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Body, Named, Query};
use crate::page::{self, PageQuery};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, install)).routes(routes!(get, remove)).routes(routes!(upgrade))
}

/// Lists the installed versions of all connectors.
#[utoipa::path(get, path = "/api/v1/connectors", tag = "connectors",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Connector>)))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Connector>>> {
    let active = state.engine.active_versions().await?;
    let connectors = state.engine.connectors().await?;
    let mut items: Vec<dto::Connector> =
        connectors.iter().map(|one| dto::Connector::new(one, active.get(one.name()))).collect();
    items.sort_by_key(key);
    page::of_all(items, &query, key).map(Json)
}

fn key(connector: &dto::Connector) -> String {
    format!("{}@{}", connector.name, connector.version)
}

/// Installs a connector from its image, or installs it again when the image changed.
#[utoipa::path(post, path = "/api/v1/connectors", tag = "connectors", request_body = dto::InstallConnector,
    responses((status = 201, body = dto::Connector)))]
async fn install(
    State(state): State<ApiState>,
    Body(body): Body<dto::InstallConnector>,
) -> Answer<(StatusCode, Json<dto::Connector>)> {
    let image: ImageRef =
        body.image.parse().map_err(|error| Refusal::new(ErrorCode::BadField, format!("`image`: {error}")))?;
    let connector = state.engine.install_connector(&image).await?;
    let active = state.engine.active_versions().await?;
    Ok((StatusCode::CREATED, Json(dto::Connector::new(&connector, active.get(connector.name())))))
}

/// Shows the installed versions of a connector, newest first.
#[utoipa::path(get, path = "/api/v1/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name")),
    responses((status = 200, body = Vec<dto::Connector>)))]
async fn get(
    State(state): State<ApiState>,
    Named(name): Named<ComponentName>,
) -> Answer<Json<Vec<dto::Connector>>> {
    let all = state.engine.connectors().await?;
    let active = state.engine.active_versions().await?.remove(&name);
    let of_name = all.iter().filter(|connector| *connector.name() == name);
    let found: Vec<_> = of_name.map(|one| dto::Connector::new(one, active.as_ref())).collect();
    if found.is_empty() {
        return Err(Refusal::not_found("connector", name));
    }
    Ok(Json(found))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    version: Option<semver::Version>,
}

/// Removes a version of a connector, or all of them. Flows that run keep the image that they were compiled with; the last
/// version of a connector that an instance belongs to stays.
#[utoipa::path(delete, path = "/api/v1/connectors/{connector}", tag = "connectors",
    params(
        ("connector" = String, Path, description = "Its name"),
        ("version" = Option<String>, Query, description = "The version; all of them when absent"),
    ),
    responses((status = 204)))]
async fn remove(
    State(state): State<ApiState>,
    Named(name): Named<ComponentName>,
    Query(which): Query<Which>,
) -> Answer<StatusCode> {
    state.engine.remove_connector(&name, which.version.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts another version of a connector to use, or shows what that would change: how the versions differ, and which
/// instances and flows it reaches. Flows get a new version of their own; messages under way finish where they began.
#[utoipa::path(post, path = "/api/v1/connectors/{connector}/upgrade", tag = "connectors",
    params(("connector" = String, Path, description = "Its name")),
    request_body = dto::UpgradeConnector,
    responses((status = 200, body = dto::ConnectorUpgrade)))]
async fn upgrade(
    State(state): State<ApiState>,
    Named(connector): Named<ComponentName>,
    Body(body): Body<dto::UpgradeConnector>,
) -> Answer<Json<dto::ConnectorUpgrade>> {
    let request = UpgradeRequest {
        connector,
        to: body.target().map_err(|detail| Refusal::new(ErrorCode::BadField, detail))?,
        dry_run: body.dry_run,
        force: body.force,
    };
    Ok(Json(state.engine.upgrade_connector(&request).await?.into()))
}
