//! The outside end of a flow: an HTTP server that writes each message into the ledger before it answers.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Ledger;

/// The server. Ends when it is dropped.
pub struct Recorder {
    port: u16,
    delay: Arc<AtomicU64>,
    notes: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Listens on all addresses of this machine, so that containers reach it through their network's gateway.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(ledger: Arc<Ledger>) -> Result<Self> {
        let listener = TcpListener::bind(("0.0.0.0", 0)).await?;
        let port = listener.local_addr()?.port();
        let (delay, notes) = (Arc::new(AtomicU64::new(0)), Arc::default());
        let task = tokio::spawn(serve(listener, ledger, delay.clone(), Arc::clone(&notes)));
        Ok(Self { port, delay, notes, task })
    }

    /// The URL as seen from a container whose network's gateway is `host`.
    #[must_use]
    pub fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Takes this long for each answer from now on.
    pub fn slow_down(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The bodies that came, in their order.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    delay: Arc<AtomicU64>,
    notes: Arc<Mutex<Vec<Value>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, ledger.clone(), delay.clone(), notes.clone()));
    }
}

async fn connection(
    stream: TcpStream,
    ledger: Arc<Ledger>,
    delay: Arc<AtomicU64>,
    notes: Arc<Mutex<Vec<Value>>>,
) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        let (ledger, notes) = (ledger.clone(), notes.clone());
        let delay = Duration::from_millis(delay.load(Ordering::Relaxed));
        async move { Ok::<_, Infallible>(answer(request, &ledger, &notes, delay).await) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

/// Only what is in the ledger is answered with success.
async fn answer(
    request: Request<Incoming>,
    ledger: &Ledger,
    notes: &Mutex<Vec<Value>>,
    delay: Duration,
) -> Response<Full<Bytes>> {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let message = key.unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let written = ledger.received(&text("id"), &message, &text("data"));
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    let mut response = Response::new(Full::from("{}"));
    if written.is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}
