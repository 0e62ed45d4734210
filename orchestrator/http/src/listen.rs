//! Serving: HTTP/1.1 with bounds on everything that a client decides before a handler sees its request.
//!
//! A connection that sends no whole header in time is closed, whether it is new, slow or idle. Where there is one connection
//! too many, the one that has had no request under way for longest makes room: so a client that only keeps connections
//! open shuts nobody out. Where each has a request under way, it waits until one ends. When the server stops,
//! connections finish the request that is under way; those that do not within the grace are dropped.

mod idle;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use idle::{Answer, Connections, Oldest, Tracked};

/// The bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a connection may take to send a whole header, also the next one on a connection that is kept open.
    pub header: Duration,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of all headers of a request.
    pub header_bytes: usize,
    /// How long a connection has had no request under way before it makes room for another: long enough for one that
    /// has just come to say what it wants.
    pub idle: Duration,
    /// How long requests that are under way may go on when the server stops.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            header: Duration::from_secs(10),
            headers: 64,
            header_bytes: 16 * 1024,
            idle: Duration::from_secs(1),
            grace: Duration::from_secs(10),
        }
    }
}

/// Goes with every request: cancelled when the server stops, so that requests that only wait can end at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping(CancellationToken);

impl Stopping {
    /// Waits until the server stops.
    pub(crate) async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// Serves until `stop` is cancelled, then until the requests under way are answered.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = Connections::default();
    let graceful = GracefulShutdown::new();
    let builder = builder(limits);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places, (&connections, limits.idle)) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly: no file handle is free. Others will be closed.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tracked, closed) = connections.enter();
        let (router, stopping, of_this) = (router.clone(), Stopping(stop.clone()), tracked.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(stopping.clone());
            answer(router.clone(), of_this.clone(), request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        debug!(%error, "a connection broke");
                    }
                }
                () = closed.cancelled() => debug!("a connection made room for another"),
            }
            drop(place);
            // After its place is free: who waits for one looks again.
            tracked.leave();
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("requests were cut off after {} s", limits.grace.as_secs());
    }
}

/// Answers one request of a connection.
async fn answer(
    router: Router,
    tracked: Tracked,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let Some(busy) = tracked.begin() else {
        // The connection is just being closed, and this goes with it.
        return std::future::pending().await;
    };
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| busy.until_sent(body)))
}

/// The next connection, and its place. Where there is none, an idle connection gives up its own.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    (connections, idle): (&Connections, Duration),
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    loop {
        if let Ok(place) = places.clone().try_acquire_owned() {
            return Ok((stream, place));
        }
        match connections.close_oldest(idle) {
            Oldest::Closed => {
                let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
                return Ok((stream, place));
            }
            Oldest::In(wait) => tokio::time::timeout(wait, connections.changed()).await.unwrap_or_default(),
            Oldest::None => connections.changed().await,
        }
    }
}

fn builder(limits: ServeLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
}

#[cfg(test)]
mod tests;
