//! Trying out mappings and expressions with the code that runs live.

use axum::Json;
use axum::extract::State;
use sluice_engine::EvaluateRequest;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Body;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::{ApiState, dto};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(evaluate))
}

/// Evaluates a mapping, a JSONata expression or a JSONPath.
#[utoipa::path(post, path = "/api/v1/mappings/evaluate", tag = "mappings", request_body = dto::Evaluate,
    responses((status = 200, body = dto::Evaluated)))]
async fn evaluate(
    State(state): State<ApiState>,
    Body(body): Body<dto::Evaluate>,
) -> Answer<Json<dto::Evaluated>> {
    let request = request(body)?;
    // Each may take a core and some memory for a second: who asks for many at a time waits for a turn.
    let turn = state.evaluations.clone().acquire_owned().await;
    let turn = turn.map_err(|_| Refusal::new(ErrorCode::Internal, "evaluations are closed"))?;
    // It may compute for as long as the limits allow, so it must not hold up a thread that others wait for.
    let evaluated = tokio::task::spawn_blocking(move || {
        let value = state.engine.evaluate(request);
        drop(turn);
        value
    });
    let evaluated = evaluated.await;
    let value = evaluated.map_err(|_| Refusal::new(ErrorCode::Internal, "the evaluation broke off"))??;
    Ok(Json(dto::Evaluated { value }))
}

fn request(body: dto::Evaluate) -> Answer<EvaluateRequest> {
    let input = body.input;
    match (body.mapping, body.jsonata, body.jsonpath) {
        (Some(mapping), None, None) => Ok(EvaluateRequest::Mapping { mapping, input }),
        (None, Some(expression), None) => Ok(EvaluateRequest::Jsonata { expression, input }),
        (None, None, Some(path)) => Ok(EvaluateRequest::JsonPath { path, input }),
        _ => {
            Err(Refusal::new(ErrorCode::BadField, "send exactly one of `mapping`, `jsonata` and `jsonpath`"))
        }
    }
}
