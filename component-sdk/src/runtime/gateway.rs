//! The client of the component gateway.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_protocol::ErrorInfo;
use sluice_protocol::gateway::{
    Assignments, Boot, Credentials, InvokeAnswer, InvokeRequest, NEEDS_REAUTH, RefreshRequest, Session,
    SessionRequest, StateRequest, StepState,
};
use sluice_protocol::{StepKey, limits};

use crate::Error;
use crate::credentials::CredentialSource;
use crate::error::chain;
use crate::orchestrator::Orchestrator;

/// How long the gateway may hold an unchanged answer back.
const WAIT: Duration = Duration::from_secs(25);
/// How long any other answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a refresh may take: the orchestrator asks the provider meanwhile.
const REFRESH: Duration = Duration::from_secs(45);

/// What a refusal says (RFC 9457), as far as it matters here.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

/// Asks the gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// Why the gateway gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    #[error("the gateway does not know this container's token")]
    Unauthorised,
    #[error("the gateway answered {0}")]
    Refused(StatusCode),
    /// With what it says of the reason.
    #[error("the state of things forbids it: {0}")]
    Conflict(String),
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] reqwest::Error),
}

impl Gateway {
    pub(crate) fn new(boot: Boot) -> Result<Self, GatewayError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::tls::tls_config())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(2)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(GatewayError::Client)?;
        Ok(Self { http, base: boot.gateway.trim_end_matches('/').to_owned(), token: boot.token })
    }

    pub(crate) async fn session(&self, request: &SessionRequest) -> Result<Session, GatewayError> {
        let answer = self.ask(Method::POST, "session", Some(request), PATIENCE).await?;
        answer.ok_or(GatewayError::Refused(StatusCode::NO_CONTENT))
    }

    /// The assignments, once they differ from those of revision `since`; none when nothing changed for a while.
    pub(crate) async fn assignments(&self, since: Option<u64>) -> Result<Option<Assignments>, GatewayError> {
        let wait = WAIT.as_secs();
        let path = match since {
            Some(revision) => format!("assignments?since={revision}&wait={wait}"),
            None => "assignments?wait=0".to_owned(),
        };
        self.ask(Method::GET, &path, None::<&()>, WAIT + PATIENCE).await
    }

    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        question: Option<&Q>,
        patience: Duration,
    ) -> Result<Option<A>, GatewayError> {
        let url = format!("{}/gateway/v1/{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token).timeout(patience);
        if let Some(question) = question {
            request = request.json(question);
        }
        let response = request.send().await.map_err(GatewayError::Unreachable)?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::UNAUTHORIZED => Err(GatewayError::Unauthorised),
            StatusCode::CONFLICT => {
                // The status says what counts, so a body that cannot be read is no trouble.
                let problem = response.json::<Problem>().await.unwrap_or_default();
                Err(GatewayError::Conflict(problem.detail))
            }
            status if status.is_success() => {
                response.json().await.map(Some).map_err(GatewayError::Unreachable)
            }
            status => Err(GatewayError::Refused(status)),
        }
    }
}

#[async_trait]
impl CredentialSource for Gateway {
    async fn fetch(&self, instance: &str) -> Result<Credentials, Error> {
        let path = format!("credentials/{instance}");
        let answer = self.ask(Method::POST, &path, Some(&()), PATIENCE).await;
        answer.map_err(refusal)?.ok_or_else(no_credentials)
    }

    async fn refresh(&self, instance: &str, refused: u64) -> Result<Option<Credentials>, Error> {
        let path = format!("credentials/{instance}/refresh");
        let question = RefreshRequest { version: refused };
        self.ask(Method::POST, &path, Some(&question), REFRESH).await.map_err(refusal)
    }
}

#[async_trait]
impl Orchestrator for Gateway {
    async fn invoke(&self, instance: &str, request: &InvokeRequest) -> Result<Value, Error> {
        let path = format!("invoke/{instance}");
        // The gateway answers in time by itself; this is for one that does not.
        let patience = Duration::from_millis(request.timeout_ms) + PATIENCE;
        let answer =
            self.ask(Method::POST, &path, Some(request), patience).await.map_err(|error| match error {
                GatewayError::Refused(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => {
                    Error::fatal("not_bound", "the gateway runs nothing on behalf of this instance")
                }
                GatewayError::Refused(StatusCode::PAYLOAD_TOO_LARGE) => Error::fatal(
                    "input_too_large",
                    "the input of the call has more bytes than a message may have",
                ),
                other => Error::retryable("call_failed", chain(&other)),
            })?;
        match answer {
            Some(InvokeAnswer::Result(result)) => Ok(result),
            Some(InvokeAnswer::Error(info)) => Err(of_other(&info)),
            None => Err(Error::retryable("call_failed", "the gateway gave no answer")),
        }
    }

    async fn state(&self, step: &StepKey) -> Result<Option<Value>, Error> {
        let question = StateRequest { step: step.clone() };
        match self.ask::<_, StepState>(Method::POST, "state", Some(&question), PATIENCE).await {
            Ok(known) => Ok(known.map(|known| known.value)),
            Err(GatewayError::Refused(StatusCode::NOT_FOUND)) => Ok(None),
            Err(error) => Err(Error::retryable("state_unavailable", chain(&error))),
        }
    }

    async fn put_state(&self, step: &StepKey, value: &Value) -> Result<bool, Error> {
        let state = StepState { step: step.clone(), value: value.clone() };
        match self.ask::<_, Value>(Method::PUT, "state", Some(&state), PATIENCE).await {
            Ok(_) => Ok(true),
            Err(GatewayError::Refused(StatusCode::NOT_FOUND)) => Ok(false),
            Err(GatewayError::Refused(StatusCode::PAYLOAD_TOO_LARGE)) => Err(Error::fatal(
                "state_too_large",
                format_args!("what a step keeps has at most {} bytes", limits::STATE_BYTES),
            )),
            Err(error) => Err(Error::retryable("state_unavailable", chain(&error))),
        }
    }
}

/// The error of a run of another instance. That a person has to authorise that one does not park this.
fn of_other(info: &ErrorInfo) -> Error {
    let message = info.message.as_str();
    if !(info.retryable || info.code == NEEDS_REAUTH) {
        return Error::fatal(&info.code, message);
    }
    let error = Error::retryable(&info.code, message);
    match info.retry_after {
        Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}

/// What a run has to know of a refusal to give credentials.
fn refusal(error: GatewayError) -> Error {
    match error {
        GatewayError::Refused(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => no_credentials(),
        GatewayError::Conflict(detail) if detail.is_empty() => {
            Error::parked(NEEDS_REAUTH, "the instance has to be authorised")
        }
        GatewayError::Conflict(detail) => Error::parked(NEEDS_REAUTH, detail),
        other => Error::retryable("credentials_unavailable", chain(&other)),
    }
}

fn no_credentials() -> Error {
    Error::fatal("no_credentials", "the gateway gives no credentials for this instance")
}

#[cfg(test)]
mod tests;
