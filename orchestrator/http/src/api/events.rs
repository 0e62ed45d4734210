//! Events: what happened, and what happens.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::extract::Query;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::Scope;
use crate::{ApiState, dto, live};

/// Most events of an answer.
const MOST: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(follow))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

/// Lists events, oldest first. The newest 10,000 are kept.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "Only events after this one, by its id"),
        ("limit" = Option<u32>, Query, description = "1 to 1000"),
    ),
    responses((status = 200, body = Vec<dto::Event>)))]
async fn list(
    State(state): State<ApiState>,
    scope: Scope,
    Query(which): Query<Which>,
) -> Answer<Json<Vec<dto::Event>>> {
    let limit = which.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        return Err(Refusal::new(ErrorCode::BadQuery, format!("limit: {limit} is not between 1 and {MOST}")));
    }
    let events = state.engine.events(which.after, limit, scope.tenant()).await?;
    Ok(Json(events.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    after: Option<u64>,
}

/// Events as they happen, as server-sent events (by their type, with their id) or a JSON object a line. With `after`, or the
/// header `Last-Event-ID`, those after that one come first.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "An event's id"),
        ("last-event-id" = Option<u64>, Header, description = "The same, as browsers send it"),
    ),
    responses((status = 200, body = dto::Event, content_type = "text/event-stream")))]
async fn follow(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    scope: Scope,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Answer<Response> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.map(str::parse).transpose();
    let last =
        last.map_err(|_| Refusal::new(ErrorCode::BadQuery, "Last-Event-ID: it is no id of an event"))?;
    let events = state.engine.follow_events(last.or(since.after)).await?;
    let events = events.filter(move |event| {
        let sees = event.is_for(scope.tenant());
        async move { sees }
    });
    live::respond(&state, (&caller, &headers), sent, Box::pin(events.map(dto::Event::from)))
}

fn sent(event: &dto::Event) -> axum::response::sse::Event {
    axum::response::sse::Event::default().event(&event.kind).id(event.id.to_string())
}
