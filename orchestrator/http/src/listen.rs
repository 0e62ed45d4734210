//! Serving: HTTP/1.1 with bounds on everything that a client decides before a handler sees its request.
//!
//! A connection that sends no whole header in time is closed, whether it is new, slow or idle. One connection too many
//! waits in the kernel's queue until another one ends. When the server stops, connections finish the request that is
//! under way; those that do not within the grace are dropped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

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
    let graceful = GracefulShutdown::new();
    let builder = builder(limits);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
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
        let router = router.clone();
        let stopping = Stopping(stop.clone());
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(stopping.clone());
            router.clone().oneshot(request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("requests were cut off after {} s", limits.grace.as_secs());
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
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
