//! Requests for `http` URLs: sent on, and answered with what comes back.
//!
//! A connection to the other side serves the next request to the same target, if that comes soon: so many requests need
//! few connections, and one that the other side closed meanwhile is not met.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use sluice_ports::egress::{Caller, Target};
use sluice_protocol::Reach;
use tokio::time::Instant;
use tracing::{Instrument, debug};

use crate::desk::{Body, Desk, Passed};
use crate::refusal::{Code, PROXY_STATUS, Refusal};

/// How long a connection to the other side is kept for the next request.
const KEPT: Duration = Duration::from_secs(1);

/// A connection to the other side that may serve another request.
pub(crate) struct Upstream {
    way: (Caller, Target, Reach),
    sender: SendRequest<Incoming>,
    since: Instant,
}

/// Sends a request on and gives the answer.
pub(crate) async fn send(
    desk: &Arc<Desk>,
    request: Request<Incoming>,
    passed: Passed,
) -> Result<Response<Body>, Refusal> {
    let mut request = cleaned(request, &passed.target)?;
    if let Some(kept) = kept(desk, &passed) {
        match attempt(desk, kept, request, &passed).await {
            Ok(answer) => return Ok(answered(desk, answer, passed)),
            Err(Failed::Unsent(unsent)) => request = *unsent,
            Err(Failed::Broken) => return Err(broken(&passed.target)),
        }
    }
    let sender = connect(desk, &passed).await?;
    match attempt(desk, sender, request, &passed).await {
        Ok(answer) => Ok(answered(desk, answer, passed)),
        Err(_) => Err(broken(&passed.target)),
    }
}

/// Why there is no answer.
enum Failed {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Incoming>>),
    /// Something may have been sent.
    Broken,
}

async fn attempt(
    desk: &Desk,
    mut sender: SendRequest<Incoming>,
    request: Request<Incoming>,
    passed: &Passed,
) -> Result<Response<Incoming>, Failed> {
    match sender.try_send_request(request).await {
        Ok(answer) => {
            let way = (passed.caller, passed.target.clone(), passed.reach);
            let upstream = Upstream { way, sender, since: Instant::now() };
            *desk.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Some(upstream);
            Ok(answer)
        }
        Err(mut error) => match error.take_message() {
            Some(unsent) => Err(Failed::Unsent(Box::new(unsent))),
            None => Err(Failed::Broken),
        },
    }
}

/// The connection that served the request before, if it leads there and is fresh.
fn kept(desk: &Desk, passed: &Passed) -> Option<SendRequest<Incoming>> {
    let kept = desk.upstream.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let same = kept.way == (passed.caller, passed.target.clone(), passed.reach);
    (same && kept.since.elapsed() < KEPT && kept.sender.is_ready()).then_some(kept.sender)
}

async fn connect(desk: &Desk, passed: &Passed) -> Result<SendRequest<Incoming>, Refusal> {
    let stream = desk.shared.dialler.dial(&passed.target, passed.reach).await?;
    let limits = desk.shared.limits;
    let mut builder = http1::Builder::new();
    builder.max_headers(limits.headers).max_buf_size(limits.header_bytes);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|_| broken(&passed.target))?;
    let closed = desk.closed.clone();
    let driving = async move {
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                debug!(%error, "a connection to the other side broke");
            },
            () = closed.cancelled() => {}
        }
    };
    desk.shared.tunnels.spawn(driving.in_current_span());
    Ok(sender)
}

/// The request as the other side gets it: for the very host that was judged, without what is between us and the component.
fn cleaned(mut request: Request<Incoming>, target: &Target) -> Result<Request<Incoming>, Refusal> {
    let bad = |_| Refusal::new(Code::Malformed, "the URL cannot be sent on");
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path: Uri = if path.is_empty() { "/" } else { path }
        .parse()
        .map_err(|error: hyper::http::uri::InvalidUri| bad(error.to_string()))?;
    // Host as it was written, since servers tell spellings apart; the port only where it was written too.
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let host = if host.is_empty() { target.to_string() } else { host };
    let host = HeaderValue::try_from(host).map_err(|error| bad(error.to_string()))?;
    *request.uri_mut() = path;
    let headers = request.headers_mut();
    strip(headers);
    headers.remove(crate::desk::REACH);
    headers.insert(HOST, host);
    Ok(request)
}

/// Takes out what belongs to one connection only (RFC 9110, section 7.6.1), and what is between a component and us.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let keep_alive = HeaderName::from_static("keep-alive");
    let proxy_connection = HeaderName::from_static("proxy-connection");
    let always = [
        CONNECTION,
        keep_alive,
        proxy_connection,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        PROXY_STATUS,
    ];
    // Chunks say where a body ends; a length beside them is a lie to somebody (RFC 9112, section 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in named.into_iter().chain(always) {
        headers.remove(name);
    }
}

fn answered(desk: &Arc<Desk>, answer: Response<Incoming>, passed: Passed) -> Response<Body> {
    let mut answer =
        answer.map(|body| Counted { body, desk: Arc::clone(desk), bytes: 0, _passed: passed }.boxed());
    strip(answer.headers_mut());
    answer
}

fn broken(target: &Target) -> Refusal {
    Refusal::new(Code::Broken, format!("{target} broke off before it had answered"))
}

/// The body of an answer on its way. Its request is in the register for as long.
struct Counted {
    body: Incoming,
    desk: Arc<Desk>,
    bytes: u64,
    _passed: Passed,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.desk.shared.rules.carry(0, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_connection_is_taken_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic secret"),
            ("proxy-status", "sluice; error=forged"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("authorization", "Bearer theirs"),
            ("content-length", "3"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["authorization", "content-length"]);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["authorization"]);
    }
}
