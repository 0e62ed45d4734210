//! Action `call`: makes the request of a connector's action for each input.
//!
//! With pagination each item is an output of its own, streamed while the next page is fetched.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;
use sluice_sdk::{Action, Context, Error, Output, Outputs};

use crate::client::Shared;
use crate::digest::Found;
use crate::session::Session;
use crate::step::Step;
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
        let step = &config.0;
        if step.watch.is_some() {
            return Err(Error::fatal("bad_config", "the call is one of a trigger, not of an action"));
        }
        let session = Session::open(cx, &self.shared, step, ("input", input)).await?;
        let done = if step.pages.is_some() { all(cx, &session).await } else { one(cx, &session).await };
        done.map_err(|error| session.clean(error))
    }
}

async fn one(cx: &Context, session: &Session<'_>) -> Result<Outputs, Error> {
    let mut draft = session.draft().await?;
    let safe = matches!(draft.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !draft.headers.contains_key("idempotency-key") {
        let id = HeaderValue::from_str(&cx.message_id().to_string());
        draft.headers.insert("idempotency-key", id.map_err(|error| Error::fatal("bad_header", error))?);
    }
    let (digest, _) = session.ask(draft, 1).await?;
    let Found::Value(result) = digest.found else { return Ok(Outputs::none()) };
    Ok(output(result, digest.status).into())
}

async fn all(cx: &Context, session: &Session<'_>) -> Result<Outputs, Error> {
    let mut walk = Walk::begin(session).await?;
    let mut page = walk.next().await?;
    while let Some(items) = page {
        let (sent, next) = tokio::join!(stream(cx, items), walk.next());
        sent?;
        page = next?;
    }
    Ok(Outputs::none())
}

async fn stream(cx: &Context, page: Items) -> Result<(), Error> {
    for item in page.items {
        cx.emit(output(item, page.status)).await?;
    }
    Ok(())
}

/// A message of what an answer held.
pub(crate) fn output(body: Value, status: u16) -> Output {
    Output::new(body).header("http.status", status)
}
