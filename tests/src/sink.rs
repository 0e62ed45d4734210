//! An HTTP server that keeps what it gets: the outside end of a flow, and the ledger of what arrived.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body as JSON, or as text where it is none.
    pub body: Value,
    /// When.
    pub at: Instant,
}

type Answer = Box<dyn Fn(&Received) -> (u16, Value) + Send + Sync>;

struct State {
    received: Mutex<Vec<Received>>,
    answer: Mutex<Answer>,
    delay: Mutex<Duration>,
}

/// The server. Ends when it is dropped.
pub struct HttpSink {
    state: Arc<State>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl HttpSink {
    /// Listens on all addresses of this machine, so that containers reach it through their network's gateway.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("0.0.0.0", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            received: Mutex::default(),
            answer: Mutex::new(Box::new(|_| (200, Value::Null))),
            delay: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, state.clone()));
        Ok(Self { state, port, task })
    }

    /// The URL as seen from a container whose network's gateway is `host`.
    #[must_use]
    pub fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Answers each request by this rule from now on: status and JSON body.
    pub fn answer(&self, rule: impl Fn(&Received) -> (u16, Value) + Send + Sync + 'static) {
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Takes this long for each answer from now on.
    pub fn slow_down(&self, delay: Duration) {
        *self.state.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// What arrived until now.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much arrived until now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state.received.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).ok();
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(request, state.clone()));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn handle(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().to_string();
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    let received = Received { path, headers, body, at: Instant::now() };
    let delay = *state.delay.lock().unwrap_or_else(PoisonError::into_inner);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (status, answer) = state.answer.lock().unwrap_or_else(PoisonError::into_inner)(&received);
    state.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    let mut response = Response::new(Full::from(answer.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
