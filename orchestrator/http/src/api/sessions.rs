//! Sessions for the pages of host applications, whose servers ask for them.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use secrecy::ExposeSecret;
use sluice_domain::{Delay, InstanceName, KeptSession, SessionId};
use sluice_engine::SessionRequest;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::extract::{Body, Query};
use crate::page::{self, PageQuery};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Lists the sessions that are not at their end, without their tokens.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Session>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Session>>> {
    let sees = |kept: &KeptSession| kept.session.instances.iter().all(|name| scope.sees(name));
    let all = state.engine.sessions().await?.into_iter();
    let mut items: Vec<dto::Session> = all.filter(sees).map(Into::into).collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    page::of_all(items, &query, |session| session.id.clone()).map(Json)
}

/// Makes a session: a token that lets a page do a few things with a few instances for a short time. It ends early when
/// the token that asks for it is revoked.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = dto::CreateSession,
    responses((status = 201, body = dto::CreatedSession)))]
async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    scope: Scope,
    Body(body): Body<dto::CreateSession>,
) -> Answer<(StatusCode, Json<dto::CreatedSession>)> {
    let bad = |field: &str, error: &dyn std::fmt::Display| {
        Refusal::new(ErrorCode::BadField, format!("`{field}`: {error}"))
    };
    let mut instances = BTreeSet::new();
    for text in &body.instances {
        let name: InstanceName = text.parse().map_err(|error| bad("instances", &error))?;
        instances.insert(scope.named("instance", &name)?);
    }
    let allow = body.allow.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let expires_in = body.expires_in.as_deref().map(str::parse::<Delay>).transpose();
    let request = SessionRequest {
        instances,
        allow: allow.map_err(|error| bad("allow", &error))?,
        origin: body.origin,
        expires_in: expires_in.map_err(|error| bad("expires_in", &error))?.map(Delay::get),
        issuer: caller.token(),
    };
    let (session, token) = state.engine.create_session(request).await?;
    info!(caller = caller.id(), session.id = %session.id, instances = ?session.instances, expires_at = %session.expires_at, "made a session");
    let token = token.expose_secret().to_owned();
    let created = dto::CreatedSession { id: session.id.to_string(), token, expires_at: session.expires_at };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a session at once.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "Its id")),
    responses((status = 204)))]
async fn revoke(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Mine(id): Mine<SessionId>,
) -> Answer<StatusCode> {
    state.engine.revoke_session(id).await?;
    info!(caller = caller.id(), session.id = %id, "revoked a session");
    Ok(StatusCode::NO_CONTENT)
}
