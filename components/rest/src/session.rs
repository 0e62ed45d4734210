//! One run: the instance's settings and secrets, what expressions see, and the questions asked on its behalf.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use sluice_declarative::AuthType;
use sluice_mapping::Evaluator;
use sluice_sdk::protocol::invocation::EXCHANGE_PORT;
use sluice_sdk::{Context, Error, Output};
use tokio::time::Instant;
use url::Url;

use crate::answer;
use crate::auth::Credential;
use crate::client::Shared;
use crate::digest::{self, Digest, Question, Refusal};
use crate::exchange;
use crate::failure;
use crate::hosts::Hosts;
use crate::redact::Redactor;
use crate::request::{self, Draft};
use crate::step::Compiled;
use crate::trace::Sent;

/// The surroundings of one run.
pub(crate) struct Session<'r> {
    cx: &'r Context,
    shared: &'r Shared,
    pub(crate) step: Arc<Compiled>,
    /// `{ vars, config, input or cursor }`.
    pub(crate) scope: Arc<Map<String, Value>>,
    keys: Mutex<Keys>,
    /// When a run that wants to end in order has to.
    until: Option<Instant>,
}

/// The instance's secrets, and what takes them and those before them out of texts.
#[derive(Clone)]
struct Keys {
    secrets: Arc<Map<String, Value>>,
    redactor: Arc<Redactor>,
}

impl<'r> Session<'r> {
    /// Fetches settings and secrets. `special` is the name and value that only this kind of function has.
    pub(crate) async fn open(
        cx: &'r Context,
        shared: &'r Shared,
        step: &Arc<Compiled>,
        special: (&str, Value),
    ) -> Result<Self, Error> {
        let credentials = cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let scope = Arc::new(step.scope(credentials.settings, special));
        let redactor = Arc::new(Redactor::new(&credentials.secrets));
        let keys = Mutex::new(Keys { secrets: Arc::new(credentials.secrets), redactor });
        Ok(Self { cx, shared, step: Arc::clone(step), scope, keys, until: cx.deadline() })
    }

    /// Requests end by then at the latest.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// The error without secrets, for whoever reads it.
    pub(crate) fn clean(&self, error: Error) -> Error {
        self.keys().redactor.error(error)
    }

    fn keys(&self) -> Keys {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The request of the call.
    pub(crate) async fn draft(&self) -> Result<Draft, Error> {
        self.evaluate(request::draft).await?
    }

    /// Sends a request and understands the answer. `page` is its number, from 1. Gives the URL that answered, too.
    ///
    /// Where the answer refuses the access token, the token is refreshed and the request sent once more.
    pub(crate) async fn ask(&self, draft: Draft, page: u64) -> Result<(Digest, Url), Error> {
        let refused = |said: String| Error::fatal("unauthorized", said);
        match self.attempt(draft.clone(), page).await {
            Ok(done) => return Ok(done),
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Token(said)) if !self.renew().await? => return Err(refused(said)),
            Err(Refusal::Token(_)) => {}
        }
        self.attempt(draft, page).await.map_err(|again| match again {
            Refusal::Error(error) => error,
            Refusal::Token(said) => refused(said),
        })
    }

    /// Gets a new access token. False when there is none.
    async fn renew(&self) -> Result<bool, Error> {
        if !self.cx.refresh_credentials().await? {
            return Ok(false);
        }
        let credentials = self.cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.redactor = Arc::new(keys.redactor.and(&credentials.secrets));
        keys.secrets = Arc::new(credentials.secrets);
        Ok(true)
    }

    async fn attempt(&self, draft: Draft, page: u64) -> Result<(Digest, Url), Refusal> {
        let keys = self.keys();
        let hosts = Hosts::new(draft.base.clone(), self.step.allowed_hosts.clone());
        let credential = Credential::of(&self.step.auth, &keys.secrets)?;
        let limit = Instant::now() + self.step.timeout;
        let deadline = self.until.map_or(limit, |until| until.min(limit));
        let place = failure::place(&draft.method, &draft.url);
        let sent =
            if self.cx.trace() { Some((Sent::of(&draft, &credential)?, Instant::now())) } else { None };
        let (response, url) = exchange::send(self.shared, &hosts, &credential, draft, deadline).await?;
        if response.status().as_u16() == 401 && self.step.auth.kind != AuthType::OAuth2 {
            // The secret may have been replaced since it was fetched.
            self.cx.forget_credentials().await;
        }
        let answer = answer::read(response, self.step.max_response_bytes, &place).await?;
        if let Some((sent, begun)) = sent {
            let told = sent.answered(&answer, begun.elapsed(), &keys.redactor);
            self.cx.emit(Output::new(told).port(EXCHANGE_PORT)).await?;
        }
        let question = Question { page, place, redactor: keys.redactor };
        let digest = self
            .evaluate(move |step, evaluator, scope| digest::digest(step, evaluator, scope, answer, &question))
            .await??;
        Ok((digest, url))
    }

    /// Runs `work` where expressions are evaluated.
    pub(crate) async fn evaluate<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Compiled, &mut Evaluator, &Map<String, Value>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (step, scope) = (Arc::clone(&self.step), Arc::clone(&self.scope));
        self.shared.bench()?.run(move |evaluator| work(&step, evaluator, &scope)).await
    }
}
