//! Files: what is wrong with them, and making what they say true.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use sluice_domain::{FlowName, InstanceName};
use sluice_engine::ApplyRequest;
use sluice_planner::SourceFile;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Body;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::Scope;
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(apply)).routes(routes!(validate))
}

/// Makes true what files say, or only plans it.
#[utoipa::path(post, path = "/api/v1/apply", tag = "files", request_body = dto::Apply,
    params(("idempotency-key" = Option<String>, Header)),
    responses(
        (status = 200, body = dto::Applied),
        (status = 422, description = "The files have errors.", body = dto::Problem),
    ))]
async fn apply(
    State(state): State<ApiState>,
    scope: Scope,
    Body(body): Body<dto::Apply>,
) -> Answer<Json<dto::Applied>> {
    Ok(Json(state.engine.apply(request(&scope, body)?).await?.into()))
}

/// Finds everything that is wrong with files.
#[utoipa::path(post, path = "/api/v1/validate", tag = "files", request_body = dto::Validate,
    responses((status = 200, body = dto::Validated)))]
async fn validate(
    State(state): State<ApiState>,
    scope: Scope,
    Body(body): Body<dto::Validate>,
) -> Answer<Json<dto::Validated>> {
    let report = state.engine.validate(&files(body.files), scope.tenant()).await?;
    let diagnostics = report.iter().map(Into::into).collect();
    Ok(Json(dto::Validated { valid: !report.has_errors(), diagnostics }))
}

fn files(files: Vec<dto::File>) -> Vec<SourceFile> {
    files.into_iter().map(|file| SourceFile { name: file.name, text: file.text }).collect()
}

fn request(scope: &Scope, body: dto::Apply) -> Answer<ApplyRequest> {
    let mut instances = BTreeMap::new();
    for (alias, name) in &body.instances {
        let name: InstanceName = name_in("instances", name)?;
        instances.insert(name_in("instances", alias)?, scope.named("instance", &name)?);
    }
    let mut secrets: BTreeMap<InstanceName, BTreeMap<String, SecretString>> = BTreeMap::new();
    for (instance, fields) in body.secrets {
        let fields = fields.into_iter().map(|(field, secret)| (field, SecretString::from(secret)));
        let instance: InstanceName = name_in("secrets", &instance)?;
        secrets.insert(scope.named("instance", &instance)?, fields.collect());
    }
    let name: Option<FlowName> = body.name.as_deref().map(|name| name_in("name", name)).transpose()?;
    Ok(ApplyRequest {
        files: files(body.files),
        params: body.params,
        instances,
        secrets,
        tenant: scope.tenant().cloned(),
        name: name.map(|name| scope.named("flow", &name)).transpose()?,
        prune: body.prune,
        dry_run: body.dry_run,
    })
}

fn name_in<T: FromStr<Err: Display>>(field: &str, text: &str) -> Answer<T> {
    text.parse().map_err(|error: T::Err| Refusal::new(ErrorCode::BadField, format!("`{field}`: {error}")))
}
