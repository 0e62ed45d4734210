//! Bodies on their way out: pieces that are here, and files that are fetched from elsewhere while they are sent.
//!
//! A source is never held whole. All of them are opened before the first byte goes out, so that one that is not there is an
//! error before the other side sees anything. Sources get no credentials, and lead only to the hosts of the call.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH};
use reqwest::{Body, Method, RequestBuilder, Response};
use sluice_sdk::{Error, proxy_refusal};
use tokio::time::Instant;
use url::Url;

use crate::client::Shared;
use crate::exchange::{REDIRECTS, target};
use crate::failure;
use crate::hosts::Hosts;

/// Most files of one request that come from elsewhere.
pub(crate) const SOURCES: usize = 10;

/// The body of a request, in pieces, so that files are not copied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) pieces: Vec<Piece>,
    /// Most bytes that may be sent.
    pub(crate) most: u64,
}

/// A piece of a body.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Source(Source),
}

/// A file that is fetched while it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The part that it is the content of.
    pub(crate) part: String,
    pub(crate) url: Url,
}

/// What went wrong with a source while it was sent.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<Error>>>);

impl Content {
    /// The pieces that are here.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Bytes(bytes) => Some(bytes),
            Piece::Source(_) => None,
        })
    }

    /// Whether something of it is fetched while it is sent.
    pub(crate) fn has_sources(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Source(_)))
    }
}

impl Fault {
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, error: Error) -> std::io::Error {
        let told = std::io::Error::other(error.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        told
    }
}

/// Where sources are opened.
#[derive(Clone, Copy)]
pub(crate) struct Way<'w> {
    pub(crate) shared: &'w Shared,
    pub(crate) hosts: &'w Hosts,
    pub(crate) deadline: Instant,
}

/// Gives a request its body. The length is known where that of every source is.
pub(crate) async fn attach(
    request: RequestBuilder,
    content: &Content,
    way: Way<'_>,
) -> Result<(RequestBuilder, Fault), Error> {
    let fault = Fault::default();
    let here: u64 = content.known().map(|bytes| bytes.len() as u64).sum();
    let too_large = |bytes: u64| {
        let text =
            format!("the body has {bytes} bytes, more than `http.max_upload_bytes` ({})", content.most);
        Error::fatal("upload_too_large", text)
    };
    if here > content.most {
        return Err(too_large(here));
    }
    if let [Piece::Bytes(whole)] = content.pieces.as_slice() {
        return Ok((request.body(whole.clone()), fault));
    }
    let mut length = Some(here);
    let left = Arc::new(AtomicU64::new(content.most - here));
    let mut streams: Vec<BoxStream<'static, Result<Bytes, std::io::Error>>> = Vec::new();
    for piece in &content.pieces {
        streams.push(match piece {
            Piece::Bytes(bytes) => {
                let bytes = bytes.clone();
                stream::once(async move { Ok::<_, Infallible>(bytes) })
                    .map_err(|never| match never {})
                    .boxed()
            }
            Piece::Source(source) => {
                let response = open(source, way).await?;
                length = length.zip(response.content_length()).map(|(all, one)| all.saturating_add(one));
                if let Some(bytes) = length.filter(|bytes| *bytes > content.most) {
                    return Err(too_large(bytes));
                }
                watched(response, source, (Arc::clone(&left), content.most), fault.clone())
            }
        });
    }
    let request = match length {
        Some(length) => request.header(CONTENT_LENGTH, length),
        None => request,
    };
    Ok((request.body(Body::wrap_stream(stream::iter(streams).flatten())), fault))
}

/// The bytes of a source, as long as they are not more than allowed.
fn watched(
    response: Response,
    source: &Source,
    (left, most): (Arc<AtomicU64>, u64),
    fault: Fault,
) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
    let source = source.clone();
    let watch = move |chunk: Result<Bytes, reqwest::Error>| {
        let chunk = chunk.map_err(|error| {
            let error = failure::transport(&error, &source.place());
            fault.put(source.failed(&error))
        })?;
        let size = chunk.len() as u64;
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(size)) {
            Ok(_) => Ok(chunk),
            Err(_) => {
                let text = format!(
                    "part `{}`: {}: the body has more than `http.max_upload_bytes` ({most})",
                    source.part,
                    source.place()
                );
                Err(fault.put(Error::fatal("upload_too_large", text)))
            }
        }
    };
    response.bytes_stream().map(watch).boxed()
}

/// Asks for a source, redirects included.
async fn open(source: &Source, Way { shared, hosts, deadline }: Way<'_>) -> Result<Response, Error> {
    let mut at = source.clone();
    for _ in 0..=REDIRECTS {
        let reach = hosts.admit(&at.url).map_err(|error| at.failed(&error))?;
        let sent = shared
            .client(reach)?
            .get(at.url.clone())
            // What is counted and passed on is the file itself.
            .header(ACCEPT_ENCODING, "identity")
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                let refused = shared.egress().explain(&at.url, &error).await;
                return Err(at.failed(&refused.unwrap_or_else(|| failure::transport(&error, &at.place()))));
            }
        };
        if let Some(refused) = proxy_refusal(&response) {
            return Err(at.failed(&refused));
        }
        match target(&at.url, &response, &at.place()).map_err(|error| at.failed(&error))? {
            Some(next) => at.url = next,
            None => {
                let status = response.status();
                if status.is_success() {
                    return Ok(response);
                }
                let text = format!("{}: {}", at.place(), status.as_u16());
                let error = if failure::is_transient(status.as_u16()) {
                    Error::retryable("source_failed", text)
                } else {
                    Error::fatal("source_failed", text)
                };
                return Err(at.failed(&error));
            }
        }
    }
    let text = format!("{}: more than {REDIRECTS} redirects", source.place());
    Err(source.failed(&Error::fatal("source_failed", text)))
}

impl Source {
    fn place(&self) -> String {
        failure::place(&Method::GET, &self.url)
    }

    /// The same error, which says of which part it is. Where the source may not go has the code that it has elsewhere.
    fn failed(&self, error: &Error) -> Error {
        let code = if error.code() == "host_refused" { "host_refused" } else { "source_failed" };
        let text = format!("part `{}`: {}", self.part, error.clone().into_info().message);
        if error.is_retryable() { Error::retryable(code, text) } else { Error::fatal(code, text) }
    }
}
