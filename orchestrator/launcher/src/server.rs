//! The launcher's own side: who may ask, what may be asked, and a line in the log for each.
//!
//! A request is bounded before it is read, read before it is judged, judged before anything is done. What is done runs
//! on when the asker hangs up, so that no container is left half made.

mod answer;
mod audit;
mod census;
mod desk;
mod peer;
mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use sluice_domain::{Cpus, Memory};
use sluice_ports::runtime::Runtime;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::Socket;
use desk::Desk;
use peer::Peer;

/// Connections at a time of those who may ask. More wait.
const CONNECTIONS: usize = 1024;
/// Connections at a time of those who may not, each of which is told so. More are dropped.
const STRANGERS: usize = 8;
/// How long a connection may take to send a whole header.
const HEADER: Duration = Duration::from_secs(10);
/// Bytes of a request's headers, at least; and how many there may be.
const HEADER_BYTES: usize = 8 << 10;
const HEADERS: usize = 16;
/// How long what is under way may go on when the launcher ends.
const GRACE: Duration = Duration::from_secs(10);

/// What a launcher does, and for whom.
pub struct Launch {
    /// The container engine. It must be one of `installation`.
    pub runtime: Arc<dyn Runtime>,
    /// Whose containers it looks after. Names of containers begin with `sluice-<installation>-`.
    pub installation: String,
    /// The users that may ask, by their numbers.
    pub users: BTreeSet<u32>,
    /// Most that containers may have.
    pub most: Most,
}

/// Most that containers may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Memory of each.
    pub memory: Memory,
    /// Processor time of each.
    pub cpus: Cpus,
    /// How many there may be.
    pub containers: usize,
}

/// Serves until `stop` is cancelled, then until what is under way is done, for ten seconds at most.
pub async fn serve(socket: Socket, launch: Launch, stop: CancellationToken) {
    let desk = Arc::new(Desk::new(launch, stop.clone()));
    let places = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(STRANGERS)));
    let graceful = GracefulShutdown::new();
    let builder = builder();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly: no file handle is free. Others will be closed.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admitted = tokio::select! {
            () = stop.cancelled() => break,
            admitted = admit(&stream, &desk, &places) => admitted,
        };
        let Some((peer, place)) = admitted else { continue };
        let desk = desk.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let desk = desk.clone();
            async move { Ok::<_, std::convert::Infallible>(desk.answer(peer, request).await) }
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        let served = async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection broke");
            }
            drop(place);
        };
        tokio::spawn(served.instrument(info_span!("connection", peer.uid = peer.uid)));
    }
    // Nobody waits in a queue that is not looked at any more.
    drop(socket);
    let done = async {
        graceful.shutdown().await;
        desk.finish().await;
    };
    if tokio::time::timeout(GRACE, done).await.is_err() {
        warn!("requests were cut off after {} s", GRACE.as_secs());
    }
}

/// Who is there, and their place. Nobody when they cannot be told, or are one stranger too many.
async fn admit(
    stream: &UnixStream,
    desk: &Desk,
    (known, strangers): &(Arc<Semaphore>, Arc<Semaphore>),
) -> Option<(Peer, OwnedSemaphorePermit)> {
    let peer = match Peer::of(stream) {
        Ok(peer) => peer,
        Err(error) => {
            warn!(%error, "the system does not tell who asks");
            return None;
        }
    };
    let place = if desk.knows(peer) {
        known.clone().acquire_owned().await.ok()?
    } else {
        strangers.clone().try_acquire_owned().ok()?
    };
    Some((peer, place))
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        // Each call has a connection of its own.
        .keep_alive(false);
    builder
}
