//! Serving: connections, their bounds, and the review of what is open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sluice_ports::egress::EgressRules;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::desk::Desk;
use crate::dial::{Dialler, System};
use crate::guest::{Place, Places};
use crate::register::Register;
use crate::watched::Watched;
use crate::{Limits, Policy};

/// Reviews are at least so far apart: what changes often is looked at once.
const APART: Duration = Duration::from_millis(100);
/// How long requests and tunnels may go on when the proxy ends, and then how long they may take to be cut.
const GRACE: Duration = Duration::from_secs(3);

/// A proxy that is ready to serve.
pub struct Proxy {
    pub(crate) shared: Arc<Shared>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) rules: Arc<dyn EgressRules>,
    pub(crate) dialler: Dialler,
    pub(crate) register: Register,
    pub(crate) limits: Limits,
    /// Every tunnel, so that the end waits for none of them for long.
    pub(crate) tunnels: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Proxy {
    /// A proxy that asks `rules`.
    #[must_use]
    pub fn new(rules: Arc<dyn EgressRules>, policy: Policy, limits: Limits) -> Self {
        Self::with_look_up(rules, (policy, Box::new(System::new(limits.look_ups))), limits)
    }

    pub(crate) fn with_look_up(
        rules: Arc<dyn EgressRules>,
        (policy, look_up): (Policy, Box<dyn crate::dial::LookUp>),
        limits: Limits,
    ) -> Self {
        let dialler = Dialler { look_up, policy, look_up_time: limits.look_up, connect_time: limits.connect };
        let shared = Shared {
            rules,
            dialler,
            register: Register::default(),
            limits,
            tunnels: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }
}

/// Serves until `stop` is cancelled. Tunnels end then.
pub async fn serve(listener: TcpListener, proxy: Proxy, stop: CancellationToken) {
    let shared = proxy.shared;
    let reviewing = tokio::spawn(review(Arc::clone(&shared)).instrument(info_span!("review")));
    let places = Places::new(shared.limits.connections, shared.limits.from_address);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip()) {
                Some(place) => {
                    connections.spawn(connection(Arc::clone(&shared), stream, (peer, place)));
                }
                None => {
                    debug!(%peer, "a connection too many");
                    drop(stream);
                }
            },
            Err(error) => {
                // Mostly: no file handle is free. Others will be closed.
                warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let until = Instant::now() + GRACE;
    while !shared.register.is_empty() && Instant::now() < until {
        sleep(APART).await;
    }
    shared.stop.cancel();
    reviewing.abort();
    connections.close();
    shared.tunnels.close();
    let ended = async { tokio::join!(connections.wait(), shared.tunnels.wait()) };
    if timeout(GRACE, ended).await.is_err() {
        debug!("connections were cut off");
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, (peer, place): (SocketAddr, Place)) {
    if let Err(error) = set_up(&stream) {
        debug!(%peer, %error, "a connection broke");
        return;
    }
    let limits = shared.limits;
    let (stream, pulse) = Watched::new(stream);
    let closed = shared.stop.child_token();
    let desk = Arc::new(Desk::new(Arc::clone(&shared), pulse.clone(), closed.clone(), place));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes);
    let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            debug!(%peer, %error, "a connection broke");
        },
        () = closed.cancelled() => debug!(%peer, "a connection was cut"),
        () = pulse.stopped(limits.idle, limits.total) => debug!(%peer, "a connection took too long"),
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// Judges what is open again whenever something changed, and now and then.
async fn review(shared: Arc<Shared>) {
    loop {
        let mut changes = shared.rules.changes();
        loop {
            let begun = Instant::now();
            let cut = shared.register.review(&*shared.rules).await;
            if cut > 0 {
                info!(cut, "connections were cut: no rule lets them go on");
            }
            sleep(APART.saturating_sub(begun.elapsed())).await;
            tokio::select! {
                change = changes.next() => if change.is_none() { break },
                () = sleep(shared.limits.review) => {}
            }
        }
        sleep(shared.limits.review).await;
    }
}
