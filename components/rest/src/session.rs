//! One run: the instance's settings and secrets, what expressions see, and the questions asked on its behalf.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use serde_json::{Map, Value};
use sluice_mapping::Evaluator;
use sluice_sdk::protocol::MessageId;
use sluice_sdk::protocol::invocation::EXCHANGE_PORT;
use sluice_sdk::{Context, Error, Output};
use tokio::time::Instant;
use url::Url;

use crate::answer;
use crate::auth::Credential;
use crate::budget::Budget;
use crate::client::Shared;
use crate::desk::{Listener, Task};
use crate::digest::{self, Digest, Question, Refusal, Source};
use crate::exchange;
use crate::failure;
use crate::hosts::Hosts;
use crate::onward;
use crate::quota;
use crate::redact::Redactor;
use crate::request::{self, Draft};
use crate::signer::{self, Authority, Signer};
use crate::step::{Compiled, Pages};
use crate::tickets::Ticket;
use crate::trace::Sent;

mod ticket;

/// What a run is given.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'r> {
    pub(crate) cx: &'r Context,
    pub(crate) shared: &'r Shared,
}

/// One run, or one call of an action within the run of a script.
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
    /// The version of the secrets.
    version: u64,
    /// The token of a session, where the connector logs in.
    ticket: Option<Arc<Ticket>>,
    /// The number of the token that the API refused.
    refused: Option<u64>,
}

impl<'r> Session<'r> {
    /// Fetches settings and secrets. `special` is the name and value that only this kind of function has.
    pub(crate) async fn open(
        Surroundings { cx, shared }: Surroundings<'r>,
        step: &Arc<Compiled>,
        special: (&str, Value),
    ) -> Result<Self, Error> {
        let credentials = cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let scope = Arc::new(step.scope(credentials.settings, special));
        let redactor = Arc::new(Redactor::new(&credentials.secrets));
        let version = credentials.version;
        let secrets = Arc::new(credentials.secrets);
        let keys = Mutex::new(Keys { secrets, redactor, version, ticket: None, refused: None });
        Ok(Self { cx, shared, step: Arc::clone(step), scope, keys, until: cx.deadline() })
    }

    /// Requests end by then at the latest.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// What identifies the input to the other side.
    pub(crate) fn message_id(&self) -> MessageId {
        self.cx.message_id()
    }

    /// Lets the script `before` make the input.
    pub(crate) async fn prepare(&mut self) -> Result<(), Error> {
        let Some(name) = self.step.before.clone() else { return Ok(()) };
        let mut scope = Map::clone(&self.scope);
        let input = scope.remove("input").unwrap_or(Value::Null);
        let input = self.compute(name, vec![input, Value::Object(scope.clone())]).await?;
        scope.insert("input".to_owned(), input);
        self.scope = Arc::new(scope);
        Ok(())
    }

    /// Lets the script `after` make the output of a result.
    pub(crate) async fn refine(&self, result: Value, source: &Source) -> Result<Value, Error> {
        let Some(name) = self.step.after.clone() else { return Ok(result) };
        let mut scope = Map::clone(&self.scope);
        scope.insert("response".to_owned(), source.told());
        self.compute(name, vec![result, Value::Object(scope)]).await
    }

    async fn compute(&self, name: String, args: Vec<Value>) -> Result<Value, Error> {
        let host = Arc::new(Listener { redactor: self.keys().redactor });
        self.shared.desk().compute(Task { scripts: self.step.scripts.clone(), name, args, host }).await
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
        self.evaluate(|step, evaluator, scope| request::draft(&step.form, evaluator, scope)).await?
    }

    /// The request for the next page, where an expression gave what is laid over the last one.
    pub(crate) async fn onward(&self, last: Draft, from: Url, wanted: Value) -> Result<Option<Draft>, Error> {
        self.evaluate(move |step, _, _| onward::lay(&step.form, &last, &from, wanted)).await?
    }

    /// Sends a request and understands the answer. `page` is its number, from 1. Gives the URL that answered, too.
    ///
    /// Where the answer refuses the token, another one is fetched and the request sent once more.
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

    /// Gets a new access token, or sees to it that the next attempt does. False when there is none.
    async fn renew(&self) -> Result<bool, Error> {
        if self.step.login.is_some() {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.refused = keys.ticket.as_ref().map(|ticket| ticket.number);
            return Ok(true);
        }
        if !self.cx.refresh_credentials().await? {
            return Ok(false);
        }
        let credentials = self.cx.credentials::<Map<String, Value>, Map<String, Value>>().await?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.redactor = Arc::new(keys.redactor.and(&credentials.secrets));
        keys.secrets = Arc::new(credentials.secrets);
        keys.version = credentials.version;
        Ok(true)
    }

    async fn attempt(&self, draft: Draft, page: u64) -> Result<(Digest, Url), Refusal> {
        let keys = self.authorised().await?;
        let hosts = Hosts::new(draft.base.clone(), self.step.allowed_hosts.clone());
        let authority = self.authority(&keys)?;
        let credential =
            if hosts.trusts(&draft.url) { authority.credential(&draft).await? } else { Credential::None };
        let redactor = Arc::new(signer::masking(&keys.redactor, &credential));
        let place = failure::place(&draft.method, &draft.url);
        let budget = self.budget();
        let turn = budget.turn(&self.step.rates, self.until).await?;
        let sent =
            if self.cx.trace() { Some((Sent::of(&draft, &credential)?, Instant::now())) } else { None };
        let custom = self.step.pages.as_ref().is_some_and(Pages::is_custom);
        let request = custom.then(|| onward::parts(&draft));
        let (response, url) =
            exchange::send(self.shared, &hosts, (&authority, credential), draft, self.deadline()).await?;
        if response.status().as_u16() == 401 && !self.step.auth.renews() {
            // The secret may have been replaced since it was fetched.
            self.cx.forget_credentials().await;
        }
        if hosts.trusts(&url) {
            turn.learn(quota::read(
                &answer::headers(response.headers()),
                response.status().as_u16(),
                Utc::now(),
            ));
        }
        let answer =
            answer::read(response, self.step.max_response_bytes, &place, self.shared.rooms()).await?;
        drop(turn);
        if let Some((sent, begun)) = sent {
            let told = sent.answered(&answer, begun.elapsed(), &redactor);
            self.cx.emit(Output::new(told).port(EXCHANGE_PORT)).await?;
        }
        let question = Question { page, place, redactor, request };
        let digest = self
            .evaluate(move |step, evaluator, scope| digest::digest(step, evaluator, scope, answer, &question))
            .await??;
        Ok((digest, url))
    }

    /// When a request that is made now has to be over.
    fn deadline(&self) -> Instant {
        let limit = Instant::now() + self.step.timeout;
        self.until.map_or(limit, |until| until.min(limit))
    }

    /// The budget that requests of the instance share. Steps of several versions of the connector share it, too.
    fn budget(&self) -> Arc<Budget> {
        let connector = self.step.connector.split('@').next().unwrap_or_default();
        self.shared.budgets().get(&format!("{connector}\n{}", self.cx.instance().unwrap_or_default()))
    }

    fn authority(&self, keys: &Keys) -> Result<Authority<'_>, Error> {
        let auth = &self.step.auth;
        let fixed = auth.each().iter().map(|one| Credential::of(one, &keys.secrets));
        let mut fixed = fixed.collect::<Result<Vec<_>, _>>()?;
        if let (Some(login), Some(ticket)) = (&self.step.login, &keys.ticket) {
            fixed.push(login.carrier.carry(&ticket.token)?);
        }
        let signer = auth.signer().map(|name| Signer {
            desk: self.shared.desk(),
            scripts: self.step.scripts.clone(),
            name: name.to_string(),
            secrets: Arc::clone(&keys.secrets),
            vars: self.scope.get("vars").cloned().unwrap_or_default(),
        });
        Ok(Authority { fixed, signer })
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
