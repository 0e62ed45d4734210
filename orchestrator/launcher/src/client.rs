//! The other side of the socket: a container engine that the launcher holds.
//!
//! Each call has a connection of its own, which costs little on one machine and cannot be stale: when the launcher was
//! restarted, the next call meets the new one.

mod lines;
mod runtime;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use sluice_ports::{Fault, PortError};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use crate::wire::{ANSWER, Failure, INSTALLATION, TURN, Verb};

/// How much longer than the launcher itself a call waits.
const SLACK: Duration = Duration::from_secs(10);

/// A container engine that a launcher holds. Cheap to make; speaks to nobody until it is called.
#[derive(Debug, Clone)]
pub struct Launcher {
    socket: PathBuf,
    installation: HeaderValue,
}

/// Why a call did not get through.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the launcher at {path} cannot be reached")]
    Away { path: PathBuf, source: io::Error },
    #[error("the connection to the launcher broke")]
    Broken(#[source] hyper::Error),
    #[error("the launcher's answer cannot be read")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the launcher did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the answer of {0} is not one of a launcher")]
    Strange(StatusCode),
    #[error(transparent)]
    Failed(PortError),
}

/// An answer that has begun. The connection ends with the handle.
struct Begun {
    body: Incoming,
    connection: AbortOnDropHandle<()>,
}

/// What is called.
struct Call {
    verb: Verb,
    operation: String,
    body: Vec<u8>,
    /// How long it may take beside what its verb may.
    grace: Duration,
}

impl Launcher {
    /// The launcher of an installation that listens on a Unix socket.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>, installation: &str) -> Self {
        // What is no name of an installation is none that a launcher has, and it says so.
        let installation = installation.parse().unwrap_or(HeaderValue::from_static(""));
        Self { socket: socket.into(), installation }
    }

    /// Calls and reads the whole answer.
    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, PortError> {
        let limit = limit(&call);
        let answered = async {
            let Begun { body, connection } = self.send(call.verb, call.body).await?;
            let read = Limited::new(body, ANSWER).collect().await.map_err(CallError::Cut)?;
            drop(connection);
            serde_json::from_slice(&read.to_bytes()).map_err(|_| CallError::Strange(StatusCode::OK))
        };
        in_time(limit, answered).await.map_err(|error| error.of(call.operation))
    }

    /// Calls and gives the answer once it has begun.
    async fn begin(&self, call: Call) -> Result<Begun, PortError> {
        let limit = limit(&call);
        in_time(limit, self.send(call.verb, call.body)).await.map_err(|error| error.of(call.operation))
    }

    async fn send(&self, verb: Verb, body: Vec<u8>) -> Result<Begun, CallError> {
        let away = |source| CallError::Away { path: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(away)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(CallError::Broken)?;
        // What breaks the connection is told by whoever reads from it.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            connection.await.ok();
        }));
        let request = Request::builder()
            .method(Method::POST)
            .uri(verb.path())
            .header(header::HOST, "launcher")
            .header(header::CONTENT_TYPE, "application/json")
            .header(INSTALLATION, self.installation.clone())
            .body(Full::new(Bytes::from(body)))
            .expect("names of verbs are plain");
        let response = sender.send_request(request).await.map_err(CallError::Broken)?;
        if response.status() == StatusCode::OK {
            return Ok(Begun { body: response.into_body(), connection });
        }
        Err(failure(response).await)
    }
}

fn limit(call: &Call) -> Duration {
    call.verb.patience().saturating_add(call.grace).saturating_add(TURN).saturating_add(SLACK)
}

async fn in_time<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(CallError::Silent(limit)))
}

/// What went wrong over there.
async fn failure(response: Response<Incoming>) -> CallError {
    let status = response.status();
    let read = match Limited::new(response.into_body(), ANSWER).collect().await {
        Ok(read) => read,
        Err(error) => return CallError::Cut(error),
    };
    match serde_json::from_slice::<Failure>(&read.to_bytes()) {
        Ok(failure) => CallError::Failed(failure.into()),
        Err(_) => CallError::Strange(status),
    }
}

impl CallError {
    /// The error of an operation.
    fn of(self, operation: String) -> PortError {
        let fault = match self {
            Self::Failed(error) => return error,
            // The mode of the socket, or of a folder above it. It does not mend itself.
            Self::Away { ref source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Fault::Permanent
            }
            Self::Away { .. } | Self::Broken(_) | Self::Cut(_) | Self::Silent(_) => Fault::Transient,
            Self::Strange(_) => Fault::Permanent,
        };
        PortError::new(fault, operation, self)
    }
}
