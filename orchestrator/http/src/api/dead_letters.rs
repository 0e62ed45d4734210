//! Dead letters.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sluice_domain::{DeadLetterId, DeadLetterState};
use sluice_ports::store::DeadLetterFilter;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Body, Query};
use crate::page;
use crate::problem::Answer;
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(redrive_all))
        .routes(routes!(discard_all))
        .routes(routes!(get, edit))
        .routes(routes!(redrive))
        .routes(routes!(discard))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    flow: Option<String>,
    state: Option<DeadLetterState>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    flow: Option<String>,
}

/// Lists dead letters, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters",
    params(
        ("flow" = Option<String>, Query, description = "Only of this flow: its name or id"),
        ("state" = Option<String>, Query, description = "`waiting`, `redriven` or `discarded`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000"),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = dto::Page<dto::DeadLetter>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(which): Query<Which>,
) -> Answer<Json<dto::Page<dto::DeadLetter>>> {
    let limit = page::limit(which.limit)?;
    let before = page::after(which.cursor.as_deref())?;
    let flows = scope.flows(&state, which.flow.as_deref()).await?;
    let filter = DeadLetterFilter { flows, state: which.state, before, limit };
    let found =
        page::of_cut(state.engine.dead_letters(&filter).await?, limit, |found| (found.created_at, found.id));
    Ok(Json(found.map(Into::into)))
}

/// Shows a dead letter: why it is here, and its input.
#[utoipa::path(get, path = "/api/v1/dead-letters/{letter}", tag = "dead letters",
    params(("letter" = String, Path, description = "Its id")),
    responses((status = 200, body = dto::DeadLetter)))]
async fn get(State(state): State<ApiState>, Mine(id): Mine<DeadLetterId>) -> Answer<Json<dto::DeadLetter>> {
    Ok(Json(state.engine.dead_letter(id).await?.into()))
}

/// Gives a waiting dead letter another input.
#[utoipa::path(patch, path = "/api/v1/dead-letters/{letter}", tag = "dead letters",
    request_body = dto::EditDeadLetter,
    params(("letter" = String, Path, description = "Its id")),
    responses((status = 200, body = dto::DeadLetter)))]
async fn edit(
    State(state): State<ApiState>,
    Mine(id): Mine<DeadLetterId>,
    Body(edit): Body<dto::EditDeadLetter>,
) -> Answer<Json<dto::DeadLetter>> {
    Ok(Json(state.engine.edit_dead_letter(id, edit.body).await?.into()))
}

/// Sends a dead letter to its step again. Doing it twice does nothing more.
#[utoipa::path(post, path = "/api/v1/dead-letters/{letter}/redrive", tag = "dead letters",
    params(("letter" = String, Path, description = "Its id")),
    responses((status = 200, body = dto::Moved)))]
async fn redrive(State(state): State<ApiState>, Mine(id): Mine<DeadLetterId>) -> Answer<Json<dto::Moved>> {
    Ok(Json(dto::Moved { moved: state.engine.redrive(id).await? }))
}

/// Throws a dead letter away. Doing it twice does nothing more.
#[utoipa::path(post, path = "/api/v1/dead-letters/{letter}/discard", tag = "dead letters",
    params(("letter" = String, Path, description = "Its id")),
    responses((status = 200, body = dto::Moved)))]
async fn discard(State(state): State<ApiState>, Mine(id): Mine<DeadLetterId>) -> Answer<Json<dto::Moved>> {
    Ok(Json(dto::Moved { moved: state.engine.discard(id).await? }))
}

/// Sends all waiting dead letters, or those of a flow, to their steps again.
#[utoipa::path(post, path = "/api/v1/dead-letters/redrive", tag = "dead letters",
    params(("flow" = Option<String>, Query, description = "Only of this flow: its name or id")),
    responses((status = 200, body = dto::Count)))]
async fn redrive_all(
    State(state): State<ApiState>,
    scope: Scope,
    Query(of): Query<Of>,
) -> Answer<Json<dto::Count>> {
    let flows = scope.flows(&state, of.flow.as_deref()).await?;
    Ok(Json(dto::Count { count: state.engine.redrive_all(flows).await? }))
}

/// Throws all waiting dead letters, or those of a flow, away.
#[utoipa::path(post, path = "/api/v1/dead-letters/discard", tag = "dead letters",
    params(("flow" = Option<String>, Query, description = "Only of this flow: its name or id")),
    responses((status = 200, body = dto::Count)))]
async fn discard_all(
    State(state): State<ApiState>,
    scope: Scope,
    Query(of): Query<Of>,
) -> Answer<Json<dto::Count>> {
    let flows = scope.flows(&state, of.flow.as_deref()).await?;
    Ok(Json(dto::Count { count: state.engine.discard_all(flows).await? }))
}
