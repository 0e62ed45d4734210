//! One run: the instance's settings and secrets, what expressions see, and the questions asked on its behalf.

use std::sync::Arc;

use serde_json::{Map, Value};
use sluice_mapping::Evaluator;
use sluice_sdk::protocol::invocation::EXCHANGE_PORT;
use sluice_sdk::{Context, Error, Output};
use tokio::time::Instant;
use url::Url;

use crate::answer;
use crate::auth::Credential;
use crate::client::Shared;
use crate::digest::{self, Digest, Question};
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
    secrets: Map<String, Value>,
    redactor: Arc<Redactor>,
    /// When a run that wants to end in order has to.
    until: Option<Instant>,
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
        let secrets = credentials.secrets;
        Ok(Self { cx, shared, step: Arc::clone(step), scope, secrets, redactor, until: cx.deadline() })
    }

    /// Requests end by then at the latest.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// The error without secrets, for whoever reads it.
    pub(crate) fn clean(&self, error: Error) -> Error {
        self.redactor.error(error)
    }

    /// The request of the call.
    pub(crate) async fn draft(&self) -> Result<Draft, Error> {
        self.evaluate(request::draft).await?
    }

    /// Sends a request and understands the answer. `page` is its number, from 1. Gives the URL that answered, too.
    pub(crate) async fn ask(&self, draft: Draft, page: u64) -> Result<(Digest, Url), Error> {
        let hosts = Hosts::new(draft.base.clone(), self.step.allowed_hosts.clone());
        let credential = Credential::of(&self.step.auth, &self.secrets)?;
        let limit = Instant::now() + self.step.timeout;
        let deadline = self.until.map_or(limit, |until| until.min(limit));
        let place = failure::place(&draft.method, &draft.url);
        let sent =
            if self.cx.trace() { Some((Sent::of(&draft, &credential)?, Instant::now())) } else { None };
        let (response, url) = exchange::send(self.shared, &hosts, &credential, draft, deadline).await?;
        if response.status().as_u16() == 401 {
            // The secret may have been replaced since it was fetched.
            self.cx.forget_credentials().await;
        }
        let answer = answer::read(response, self.step.max_response_bytes, &place).await?;
        if let Some((sent, begun)) = sent {
            let told = sent.answered(&answer, begun.elapsed(), &self.redactor);
            self.cx.emit(Output::new(told).port(EXCHANGE_PORT)).await?;
        }
        let question = Question { page, place, redactor: Arc::clone(&self.redactor) };
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
