//! Running one function of an instance now.

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use sluice_domain::InstanceName;
use sluice_engine::{INVOKE_TIMEOUT, INVOKE_TIMEOUT_MOST, InvokeRequest};
use sluice_protocol::FunctionName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::OptionalBody;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, MineAnd};
use crate::{ApiState, dto};

/// Most bytes of a body: what one message may have, and some for what is around it.
const BODY: usize = (1 << 20) + (64 << 10);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(test)).routes(routes!(invoke)).layer(DefaultBodyLimit::max(BODY))
}

/// Runs an action, or asks a polling trigger, once and outside any flow, by the path of a live step. The component is
/// started if need be and kept running for a while.
#[utoipa::path(post, path = "/api/v1/instances/{instance}/invoke/{function}", tag = "instances",
    request_body = Option<dto::Invoke>,
    params(("instance" = String, Path, description = "Its name"),
        ("function" = String, Path, description = "An action or polling trigger of its connector")),
    responses((status = 200, body = dto::Invoked)))]
async fn invoke(
    State(state): State<ApiState>,
    MineAnd(instance, function): MineAnd<InstanceName, FunctionName>,
    OptionalBody(body): OptionalBody<dto::Invoke>,
) -> Answer<Json<dto::Invoked>> {
    let request = InvokeRequest {
        instance,
        function,
        config: body.config,
        input: body.input,
        timeout: timeout(body.timeout_seconds)?,
        trace: body.raw,
        depth: 0,
    };
    Ok(Json(state.engine.invoke(request).await?.into()))
}

/// Calls what the connector of an instance names as its test.
#[utoipa::path(post, path = "/api/v1/instances/{instance}/test", tag = "instances",
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::Invoked)))]
async fn test(State(state): State<ApiState>, Mine(name): Mine<InstanceName>) -> Answer<Json<dto::Invoked>> {
    Ok(Json(state.engine.test_instance(&name, false).await?.into()))
}

fn timeout(seconds: Option<u32>) -> Answer<Duration> {
    let most = INVOKE_TIMEOUT_MOST.as_secs();
    match seconds.map(u64::from) {
        None => Ok(INVOKE_TIMEOUT),
        Some(seconds) if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Some(_) => {
            Err(Refusal::new(ErrorCode::BadField, format!("`timeout_seconds` is not between 1 and {most}")))
        }
    }
}
