//! Attachments: processes of authors in the place of a component's containers.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use sluice_domain::{AttachmentId, DeploymentId};
use tracing::info;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::extract::{Body, Named};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, attach))
        .routes(routes!(detach))
        .routes(routes!(renew))
        .routes(routes!(start))
}

/// Lists the attachments.
#[utoipa::path(get, path = "/api/v1/attachments", tag = "attachments",
    responses((status = 200, body = Vec<dto::Attachment>)))]
async fn list(State(state): State<ApiState>) -> Json<Vec<dto::Attachment>> {
    Json(state.engine.attachments().into_iter().map(Into::into).collect())
}

/// Lets processes outside of the container engine take the place of the containers of a component: for authors, where the
/// configuration allows it. It lasts for 30 seconds after it was renewed last, and no longer than the server's process.
#[utoipa::path(post, path = "/api/v1/attachments", tag = "attachments", request_body = dto::Attach,
    responses((status = 201, body = dto::Attachment)))]
async fn attach(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<dto::Attach>,
) -> Answer<(StatusCode, Json<dto::Attachment>)> {
    let attachment: dto::Attachment = state.engine.attach(&body.descriptor).await?.into();
    info!(caller = caller.id(), attachment.id = attachment.id, "an attachment was asked for");
    Ok((StatusCode::CREATED, Json(attachment)))
}

/// Ends an attachment at once. Containers come back.
#[utoipa::path(delete, path = "/api/v1/attachments/{attachment}", tag = "attachments",
    params(("attachment" = String, Path, description = "Its id")),
    responses((status = 204)))]
async fn detach(State(state): State<ApiState>, Named(id): Named<AttachmentId>) -> Answer<StatusCode> {
    state.engine.detach(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets an attachment go on, and says what it takes over now.
#[utoipa::path(post, path = "/api/v1/attachments/{attachment}/renew", tag = "attachments",
    params(("attachment" = String, Path, description = "Its id")), request_body = dto::RenewAttachment,
    responses((status = 200, body = dto::Attachment)))]
async fn renew(
    State(state): State<ApiState>,
    Named(id): Named<AttachmentId>,
    Body(body): Body<dto::RenewAttachment>,
) -> Answer<Json<dto::Attachment>> {
    let processes: Result<BTreeSet<DeploymentId>, _> =
        body.processes.iter().map(|text| text.parse()).collect();
    let bad = |error| Refusal::new(ErrorCode::BadField, format!("`processes`: {error}"));
    Ok(Json(state.engine.renew_attachment(id, &processes.map_err(bad)?).await?.into()))
}

/// Lets a process serve a deployment. Refused with the reason `container_ends` until its container has finished.
#[utoipa::path(post, path = "/api/v1/attachments/{attachment}/starts", tag = "attachments",
    params(("attachment" = String, Path, description = "Its id")), request_body = dto::StartAttached,
    responses((status = 201, body = dto::AttachedBoot)))]
async fn start(
    State(state): State<ApiState>,
    Named(id): Named<AttachmentId>,
    Body(body): Body<dto::StartAttached>,
) -> Answer<(StatusCode, Json<dto::AttachedBoot>)> {
    let deployment: DeploymentId = body
        .deployment
        .parse()
        .map_err(|error| Refusal::new(ErrorCode::BadField, format!("`deployment`: {error}")))?;
    let boot = state.engine.start_attached(id, deployment).await?;
    Ok((StatusCode::CREATED, Json(dto::AttachedBoot { gateway: boot.gateway, token: boot.token })))
}
