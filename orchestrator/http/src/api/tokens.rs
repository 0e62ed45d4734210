//! API tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use sluice_domain::{ApiToken, Delay, Permission, TokenId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Body, Query};
use crate::page::{self, PageQuery};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Lists the tokens, without the tokens themselves.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens",
    params(("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = dto::Page<dto::Token>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(query): Query<PageQuery>,
) -> Answer<Json<dto::Page<dto::Token>>> {
    let sees = |token: &ApiToken| scope.tenant().is_none() || token.tenant.as_ref() == scope.tenant();
    let all = state.engine.tokens().await?.into_iter();
    let mut items: Vec<dto::Token> = all.filter(sees).map(Into::into).collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    page::of_all(items, &query, |token| token.id.clone()).map(Json)
}

/// Makes a token; in the name of a tenant, one that is limited to it. The answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = dto::CreateToken,
    responses((status = 201, body = dto::CreatedToken)))]
async fn create(
    State(state): State<ApiState>,
    scope: Scope,
    Body(body): Body<dto::CreateToken>,
) -> Answer<(StatusCode, Json<dto::CreatedToken>)> {
    let bad = |field: &str, error: String| Refusal::new(ErrorCode::BadField, format!("`{field}`: {error}"));
    let permissions =
        body.permissions.iter().map(|text| text.parse::<Permission>()).collect::<Result<_, _>>();
    let permissions = permissions.map_err(|error| bad("permissions", error.to_string()))?;
    let expires_in = body.expires_in.as_deref().map(str::parse::<Delay>).transpose();
    let expires_in = expires_in.map_err(|error| bad("expires_in", error.to_string()))?.map(Delay::get);
    let (token, secret) =
        state.engine.create_token(&body.name, scope.tenant().cloned(), permissions, expires_in).await?;
    let created = dto::CreatedToken { info: token.into(), token: secret.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", tag = "tokens",
    params(("token" = String, Path, description = "Its id")),
    responses((status = 204)))]
async fn revoke(State(state): State<ApiState>, Mine(id): Mine<TokenId>) -> Answer<StatusCode> {
    state.engine.revoke_token(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
