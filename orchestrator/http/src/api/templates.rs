//! Templates. They are published by applying files.

use axum::Json;
use axum::extract::State;
use sluice_domain::{Owned, Template, TemplateName};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Query;
use crate::page::{self, PageQuery};
use crate::problem::Answer;
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Lists all versions of all templates.
#[utoipa::path(get, path = "/api/v1/templates", tag = "templates",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Template>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Template>>> {
    let key = |template: &dto::Template| format!("{}@{}", template.name, template.version);
    // The installation's own templates are everybody's.
    let sees = |template: &&Template| scope.sees(&template.name) || template.name.is_of(None);
    let mut items: Vec<dto::Template> =
        state.engine.templates().await?.iter().filter(sees).map(Into::into).collect();
    items.sort_by_key(key);
    page::of_all(items, &query, key).map(Json)
}

/// Shows all versions of a template with their sources, newest first.
#[utoipa::path(get, path = "/api/v1/templates/{template}", tag = "templates",
    params(("template" = String, Path, description = "Its name")),
    responses((status = 200, body = Vec<dto::TemplateVersion>)))]
async fn get(
    State(state): State<ApiState>,
    Mine(name): Mine<TemplateName>,
) -> Answer<Json<Vec<dto::TemplateVersion>>> {
    let versions = state.engine.template(&name).await?;
    Ok(Json(versions.into_iter().map(Into::into).collect()))
}
