//! The keys of secrets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Body, Named};
use crate::problem::Answer;
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rotate)).routes(routes!(remove))
}

/// Lists the keys that seal secrets, without the keys themselves.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Vec<dto::Key>)))]
async fn list(State(state): State<ApiState>) -> Answer<Json<Vec<dto::Key>>> {
    Ok(Json(state.engine.keys().await?.into_iter().map(Into::into).collect()))
}

/// Makes a new master key, and on request a new data key with all secrets sealed anew. A call after one that was
/// interrupted finishes that one.
#[utoipa::path(post, path = "/api/v1/keys/rotate", tag = "keys", request_body = dto::RotateKeys,
    responses((status = 200, body = dto::RotatedKeys)))]
async fn rotate(
    State(state): State<ApiState>,
    Body(body): Body<dto::RotateKeys>,
) -> Answer<Json<dto::RotatedKeys>> {
    Ok(Json(state.engine.rotate_keys(body.secrets).await?.into()))
}

/// Removes a master key that seals nothing from the key file. Older backups of the store cannot be opened any more.
#[utoipa::path(delete, path = "/api/v1/keys/{key}", tag = "keys",
    params(("key" = String, Path, description = "Its id")),
    responses((status = 204)))]
async fn remove(State(state): State<ApiState>, Named(id): Named<String>) -> Answer<StatusCode> {
    state.engine.remove_key(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
