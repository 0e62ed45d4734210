//! Action `call`: makes the request of a connector's action for each input.
//!
//! An action that is a script is a [`Program`] instead.
//!
//! With pagination each item is an output of its own, streamed while the next page is fetched.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;
use sluice_sdk::{Action, Context, Error, Output, Outputs};

use crate::client::Shared;
use crate::digest::{Found, Source};
use crate::program::Program;
use crate::session::{Session, Surroundings};
use crate::step::{Routine, Step};
use crate::walk::{Items, Walk};

pub(crate) struct Call {
    shared: Arc<Shared>,
}

impl Call {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Action for Call {
    type Config = Step;
    type Input = Value;

    async fn run(&self, cx: &Context, config: &Step, input: Value) -> Result<Outputs, Error> {
        self.shared.go_out_by(cx.egress());
        let Step { routine, library } = config;
        let step = match routine {
            Routine::Request(step) => step,
            Routine::Script(script) => {
                let result = Program { cx, shared: &self.shared, library }.run(script, input).await?;
                return Ok(Output::new(result).into());
            }
        };
        if step.watch.is_some() {
            return Err(Error::fatal("bad_config", "the call is one of a trigger, not of an action"));
        }
        let mut session =
            Session::open(Surroundings { cx, shared: &self.shared }, step, ("input", input)).await?;
        let done = perform(cx, &mut session).await;
        done.map_err(|error| session.clean(error))
    }
}

async fn perform(cx: &Context, session: &mut Session<'_>) -> Result<Outputs, Error> {
    session.prepare().await?;
    if session.step.pages.is_some() {
        return all(cx, session).await;
    }
    let Some((result, source)) = one(session, "").await? else { return Ok(Outputs::none()) };
    Ok(output(result, source.status).into())
}

/// The result of an action for a script: that of its request, or all items of its pages up to `most`. `path` tells the
/// requests of one input apart.
pub(crate) async fn gather(session: &mut Session<'_>, path: &str, most: usize) -> Result<Value, Error> {
    session.prepare().await?;
    if session.step.pages.is_none() {
        return Ok(one(session, path).await?.map_or(Value::Null, |(result, _)| result));
    }
    let mut all = Vec::new();
    let mut walk = Walk::begin(session).await?;
    while let Some(Items { source, items, room: _room }) = walk.next().await? {
        for item in items {
            if all.len() == most {
                let text = format!("the action gives more than {most} items, which a script cannot take");
                return Err(Error::fatal("too_many_items", text));
            }
            all.push(session.refine(item, &source).await?);
        }
    }
    Ok(Value::Array(all))
}

/// Makes the one request of an action.
async fn one(session: &Session<'_>, path: &str) -> Result<Option<(Value, Source)>, Error> {
    let mut draft = session.draft().await?;
    let safe = matches!(draft.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !draft.headers.contains_key("idempotency-key") {
        let id = HeaderValue::from_str(&format!("{}{path}", session.message_id()));
        draft.headers.insert("idempotency-key", id.map_err(|error| Error::fatal("bad_header", error))?);
    }
    let (digest, _) = session.ask(draft, 1).await?;
    let Found::Value(result) = digest.found else { return Ok(None) };
    Ok(Some((session.refine(result, &digest.source).await?, digest.source)))
}

async fn all(cx: &Context, session: &Session<'_>) -> Result<Outputs, Error> {
    let mut walk = Walk::begin(session).await?;
    let mut page = walk.next().await?;
    while let Some(items) = page {
        let (sent, next) = tokio::join!(stream(cx, session, items), walk.next());
        sent?;
        page = next?;
    }
    Ok(Outputs::none())
}

async fn stream(cx: &Context, session: &Session<'_>, page: Items) -> Result<(), Error> {
    for item in page.items {
        let item = session.refine(item, &page.source).await?;
        cx.emit(output(item, page.source.status)).await?;
    }
    Ok(())
}

/// A message of what an answer held.
pub(crate) fn output(body: Value, status: u16) -> Output {
    Output::new(body).header("http.status", status)
}
