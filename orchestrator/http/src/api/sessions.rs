//! Sessions for the pages of host applications, whose servers ask for them.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use secrecy::ExposeSecret;
use sluice_domain::{Delay, InstanceName};
use sluice_engine::SessionRequest;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::extract::Body;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::Scope;
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create))
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
    info!(caller = caller.id(), instances = ?session.instances, expires_at = %session.expires_at, "made a session");
    let token = token.expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(dto::CreatedSession { token, expires_at: session.expires_at })))
}
