//! Streams that go on while the client listens: server-sent events where it asks for them, else a JSON value a line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde::Serialize;

use crate::ApiState;

/// How often a silent stream shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// Server-sent events of one name.
pub(crate) fn named<T>(name: &'static str) -> impl Fn(&T) -> Event + Send {
    move |_| Event::default().event(name)
}

/// Sends items as they come, until there are no more, the client leaves or the server stops. `event` makes the server-sent
/// event of an item, without its data.
pub(crate) fn respond<T, S>(
    state: &ApiState,
    headers: &HeaderMap,
    event: impl Fn(&T) -> Event + Send + 'static,
    items: S,
) -> Response
where
    T: Serialize,
    S: Stream<Item = T> + Send + 'static,
{
    let items = items.take_until(state.stop.clone().cancelled_owned());
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        let events = items.map(move |item| {
            let data = serde_json::to_string(&item).unwrap_or_default();
            Ok::<_, Infallible>(event(&item).data(data))
        });
        return Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response();
    }
    let lines = items.map(|item| {
        let mut line = serde_json::to_vec(&item).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
