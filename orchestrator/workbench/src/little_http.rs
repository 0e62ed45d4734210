//! A small HTTP server for a few requests of our own containers: what is asked is read whole, one function answers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Most bytes of the body of a request.
const BODY: usize = 16 << 20;

/// A request that was read whole.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) target: String,
    /// What `Authorization` says.
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
}

/// An answer: status, headers, body.
pub(crate) type Told = (u16, Vec<(String, String)>, String);

/// A server, until it is dropped.
#[derive(Debug)]
pub(crate) struct LittleServer(JoinHandle<()>);

impl Drop for LittleServer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers each request by `answer`.
pub(crate) fn serve(
    listener: TcpListener,
    answer: impl Fn(&Asked) -> Told + Send + Sync + 'static,
) -> LittleServer {
    let answer = Arc::new(answer);
    LittleServer(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let service = service_fn(move |request| respond(request, Arc::clone(&answer)));
                // A client that went away has nobody to tell.
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }))
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<impl Fn(&Asked) -> Told>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let (status, headers, body) = match Limited::new(request.into_body(), BODY).collect().await {
        Ok(body) => answer(&Asked { method, target, authorization, body: body.to_bytes() }),
        Err(_) => (413, Vec::new(), String::new()),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body)).unwrap_or_else(|_| {
        let mut broken = Response::new(Full::default());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    }))
}
