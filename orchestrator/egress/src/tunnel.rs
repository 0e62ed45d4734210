//! CONNECT: bytes both ways.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tracing::{Instrument, debug, info_span};

use crate::desk::{Body, Desk, Passed};
use crate::refusal::Refusal;

/// Opens a tunnel: what answers goes on as one when the answer is sent.
pub(crate) async fn open(
    desk: &Arc<Desk>,
    mut request: Request<Incoming>,
    passed: Passed,
) -> Result<Response<Body>, Refusal> {
    let stream = desk.shared.dialler.dial(&passed.target, passed.reach).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    let span = info_span!("tunnel", deployment.id = %passed.caller.deployment, target = %passed.target);
    let tunnel = carry(Arc::clone(desk), upgrade, stream, passed);
    desk.shared.tunnels.spawn(tunnel.instrument(span));
    Ok(Response::new(Empty::<Bytes>::new().map_err(|never| match never {}).boxed()))
}

/// Copies until both sides are done, one breaks off, or the time is up. One side may end before the other.
async fn carry(desk: Arc<Desk>, upgrade: OnUpgrade, mut stream: TcpStream, passed: Passed) {
    let Ok(upgraded) = upgrade.await else { return };
    let limits = desk.shared.limits;
    let mut client = TokioIo::new(upgraded);
    desk.shared.rules.carry(1, 0);
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut stream) => match copied {
            Ok((out, back)) => debug!(out, back, "a tunnel ended"),
            Err(error) => debug!(%error, "a tunnel broke"),
        },
        () = desk.closed.cancelled() => debug!("a tunnel was cut"),
        () = desk.pulse.stopped(limits.idle, limits.total) => debug!("a tunnel took too long"),
    }
    desk.shared.rules.carry(-1, desk.pulse.bytes());
    drop(passed);
}
