//! What goes on in flows while one looks.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use sluice_domain::StepRun;
use sluice_engine::FlowRef;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::extract::Query;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, Scope};
use crate::{ApiState, dto, live};

/// Most lines of the past that a log shows.
const LINES: u32 = 10_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(logs)).routes(routes!(tail)).routes(routes!(tail_all))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
}

/// What the containers of a flow wrote, as server-sent events (`log`) or a JSON object a line.
#[utoipa::path(get, path = "/api/v1/flows/{flow}/logs", tag = "flows",
    params(
        ("flow" = String, Path, description = "Its name or id"),
        ("tail" = Option<u32>, Query, description = "How many past lines of each container; 100 when absent"),
        ("follow" = Option<bool>, Query, description = "Whether to go on with new lines"),
    ),
    responses((status = 200, body = dto::LogLine, content_type = "application/x-ndjson")))]
async fn logs(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Mine(flow): Mine<FlowRef>,
    Query(query): Query<Lines>,
    headers: HeaderMap,
) -> Answer<Response> {
    let tail = query.tail.unwrap_or(100);
    if tail > LINES {
        return Err(Refusal::new(ErrorCode::BadQuery, format!("tail: {tail} is more than {LINES}")));
    }
    let lines = state.engine.flow_logs(&flow, tail, query.follow).await?;
    live::respond(&state, (&caller, &headers), live::named("log"), lines.map(dto::LogLine::from))
}

/// The step runs of a flow as they happen, as server-sent events (`run`) or a JSON object a line.
#[utoipa::path(get, path = "/api/v1/flows/{flow}/tail", tag = "flows",
    params(("flow" = String, Path, description = "Its name or id")),
    responses((status = 200, body = dto::StepRun, content_type = "text/event-stream")))]
async fn tail(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Mine(flow): Mine<FlowRef>,
    headers: HeaderMap,
) -> Answer<Response> {
    let only = state.engine.flow_id(&flow)?;
    let sees = move |run: &StepRun| run.flow == only;
    live::respond(&state, (&caller, &headers), live::named("run"), heard(state.engine.tail(), sees))
}

/// The step runs of all flows as they happen.
#[utoipa::path(get, path = "/api/v1/tail", tag = "flows",
    responses((status = 200, body = dto::StepRun, content_type = "text/event-stream")))]
async fn tail_all(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    scope: Scope,
    headers: HeaderMap,
) -> Answer<Response> {
    let engine = Arc::clone(&state.engine);
    let sees = move |run: &StepRun| scope.tenant().is_none_or(|tenant| engine.is_flow_of(run.flow, tenant));
    live::respond(&state, (&caller, &headers), live::named("run"), heard(state.engine.tail(), sees))
}

/// A listener that is too slow misses runs; the recorded history has them.
fn heard(
    runs: Receiver<StepRun>,
    sees: impl Fn(&StepRun) -> bool + Send,
) -> impl Stream<Item = dto::StepRun> + Send {
    futures_util::stream::unfold((runs, sees), |(mut runs, sees)| async move {
        loop {
            match runs.recv().await {
                Ok(run) if sees(&run) => return Some((run.into(), (runs, sees))),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}
