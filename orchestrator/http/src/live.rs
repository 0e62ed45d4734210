//! Streams that go on while the client listens: server-sent events where it asks for them, else a JSON value a line.
//!
//! A stream outlives neither the token that it was asked for with nor the server, and there are only so many: each holds a
//! connection, and others must get in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use sluice_domain::TokenId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiState;
use crate::access::Caller;
use crate::problem::{Answer, ErrorCode, Refusal};

/// How often a silent stream shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks whether its token still is good.
const LOOK: Duration = Duration::from_secs(5);
/// Streams at a time: a quarter of the connections of a listener.
const AT_A_TIME: usize = 128;

/// The streams that may be there.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Streams {
    fn enter(&self) -> Answer<OwnedSemaphorePermit> {
        let crowded =
            |_| Refusal::new(ErrorCode::Crowded, "too many streams are open; end one, or come again");
        self.0.clone().try_acquire_owned().map_err(crowded)
    }
}

/// Server-sent events of one name.
pub(crate) fn named<T>(name: &'static str) -> impl Fn(&T) -> Event + Send {
    move |_| Event::default().event(name)
}

/// Sends items as they come, until there are no more, the client leaves, its token works no more or the server stops. `event`
/// makes the server-sent event of an item, without its data.
pub(crate) fn respond<T, S>(
    state: &ApiState,
    (caller, headers): (&Caller, &HeaderMap),
    event: impl Fn(&T) -> Event + Send + 'static,
    items: S,
) -> Answer<Response>
where
    T: Serialize,
    S: Stream<Item = T> + Send + 'static,
{
    let place = state.streams.enter()?;
    let items = items.take_until(Box::pin(over(state.clone(), caller.token(), place)));
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        let events = items.map(move |item| {
            let data = serde_json::to_string(&item).unwrap_or_default();
            Ok::<_, Infallible>(event(&item).data(data))
        });
        return Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response());
    }
    let lines = items.map(|item| {
        let mut line = serde_json::to_vec(&item).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// Waits until the token works no more or the server stops. The place is free again when this is dropped, as it is with the
/// stream.
async fn over(state: ApiState, token: Option<TokenId>, place: OwnedSemaphorePermit) {
    let lost = async {
        let Some(token) = token else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK).await;
            // A store that is away says nothing of tokens.
            if state.engine.token_works(token).await.is_ok_and(|works| !works) {
                return;
            }
        }
    };
    tokio::select! {
        () = lost => {}
        () = state.stop.cancelled() => {}
    }
    drop(place);
}
