//! The token that a run's requests carry, where the connector logs in: taken from the counter, or fetched for it.

use std::sync::{Arc, PoisonError};

use chrono::Utc;
use serde_json::{Map, Value};
use sluice_sdk::protocol::invocation::EXCHANGE_PORT;
use sluice_sdk::{Error, Output};
use tokio::time::Instant;

use super::{Keys, Session};
use crate::answer::{self, Answer};
use crate::auth::Credential;
use crate::exchange;
use crate::failure;
use crate::hosts::Hosts;
use crate::login::{self, Login};
use crate::quota;
use crate::redact::Redactor;
use crate::request;
use crate::tickets::{Fresh, REFUSED, Wanted};
use crate::trace::Sent;

impl Session<'_> {
    /// The run's keys, with the token of a session where the connector logs in.
    pub(super) async fn authorised(&self) -> Result<Keys, Error> {
        let keys = self.keys();
        let Some(login) = &self.step.login else { return Ok(keys) };
        let counter = self.shared.tickets().get(&self.place());
        let wanted = Wanted { version: keys.version, refused: keys.refused };
        let ticket = match counter.ticket(wanted, self.log_in(login, &keys)).await {
            Ok(ticket) => ticket,
            Err(error) => {
                if error.code() == REFUSED {
                    // The secrets may have been replaced since they were fetched.
                    self.cx.forget_credentials().await;
                }
                return Err(error);
            }
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.ticket.as_ref().is_none_or(|known| known.number != ticket.number) {
            keys.redactor = Arc::new(with(&keys.redactor, &ticket.token));
            keys.ticket = Some(ticket);
        }
        Ok(keys.clone())
    }

    /// The connector, its version and the instance: who shares a session.
    fn place(&self) -> String {
        format!("{}\n{}", self.step.connector, self.cx.instance().unwrap_or_default())
    }

    async fn log_in(&self, login: &Arc<Login>, keys: &Keys) -> Result<Fresh, Error> {
        let vars = self.scope.get("vars").cloned().unwrap_or_default();
        let scope = login::scope(&vars, &keys.secrets);
        let bench = self.shared.bench()?;
        let form = Arc::clone(login);
        let draft = bench.run(move |evaluator| request::draft(&form.form, evaluator, &scope)).await??;
        let hosts = Hosts::new(draft.base.clone(), self.step.allowed_hosts.clone());
        let reach = hosts.admit(&draft.url)?;
        let place = failure::place(&draft.method, &draft.url);
        let budget = self.budget();
        let turn = budget.turn(&self.step.rates, self.until).await?;
        let begun = Instant::now();
        let sent =
            if self.cx.trace() { Some(Sent::of(&draft, &Credential::None)?.without_body()) } else { None };
        let hop = exchange::Hop { draft: &draft, url: draft.url.clone(), headers: draft.headers.clone() };
        let response = exchange::once(self.shared, (&hosts, reach), hop, self.deadline()).await?;
        let answer = Arc::new(
            answer::read(response, self.step.max_response_bytes, &place, self.shared.rooms()).await?,
        );
        if hosts.trusts(&draft.url) {
            turn.learn(quota::read(&answer.headers, answer.status, Utc::now()));
        }
        drop(turn);
        let refused = login::refused(&answer, &place, &keys.redactor);
        let read = match refused {
            Some(error) => Err(error),
            None => {
                let (form, answer) = (Arc::clone(login), Arc::clone(&answer));
                bench.run(move |evaluator| form.read(evaluator, vars, &answer, &place)).await?
            }
        };
        if let Some(sent) = sent {
            let redactor = read.as_ref().map(|fresh| with(&keys.redactor, &fresh.token));
            let redactor = redactor.unwrap_or_else(|_| keys.redactor.and(&Map::new()));
            let told = Answer {
                status: answer.status,
                headers: answer.headers.clone(),
                // What was granted is in it.
                bytes: if answer.status < 400 { Vec::new() } else { answer.bytes.clone() },
                cut: answer.cut,
                room: None,
            };
            let told = sent.answered(&told, begun.elapsed(), &redactor);
            self.cx.emit(Output::new(told).port(EXCHANGE_PORT)).await?;
        }
        read
    }
}

fn with(redactor: &Redactor, token: &str) -> Redactor {
    redactor.and(&Map::from_iter([("token".to_owned(), Value::from(token))]))
}
