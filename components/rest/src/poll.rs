//! Polling trigger `poll`: asks for the items of a connector's trigger and emits each that is new or changed once.
//!
//! Items are streamed while the next page is fetched. A tick that is tried again numbers its outputs from the start, and
//! what has the number of another message counts as that message. So a poll that has emitted anything never fails: it
//! keeps what it did as its state, and the next poll meets the trouble again before it has emitted any, and reports it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Map, Value};
use sluice_mapping::{Evaluator, Root};
use sluice_sdk::protocol::MessageId;
use sluice_sdk::{Context, Error, Outputs, Polled, PollingTrigger};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::call::output;
use crate::client::Shared;
use crate::moment::Moment;
use crate::pages::End;
use crate::session::{Session, Surroundings};
use crate::step::{Compiled, Routine, Step};
use crate::tracker::{Identified, Tracker};
use crate::walk::{Items, Walk};

/// Longest that is kept back of a poll's time, so that it ends in order.
const RESERVE: Duration = Duration::from_secs(5);

pub(crate) struct Poll {
    shared: Arc<Shared>,
}

impl Poll {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl PollingTrigger for Poll {
    type Config = Step;

    async fn poll(&self, cx: &Context, config: &Step, state: Option<Value>) -> Result<Polled, Error> {
        self.shared.go_out_by(cx.egress());
        let no_trigger = || Error::fatal("bad_config", "the call is one of an action, not of a trigger");
        let Routine::Request(step) = &config.routine else { return Err(no_trigger()) };
        let watch = step.watch.as_ref().ok_or_else(no_trigger)?;
        let incremental = watch.incremental.as_ref().map(|(it, _)| it.clone());
        let mut tracker = Tracker::new(incremental, state, Utc::now());
        let until = cx.deadline().map(in_order);
        let surroundings = Surroundings { cx, shared: &self.shared };
        let session = Session::open(surroundings, step, ("cursor", tracker.cursor())).await?.until(until);
        match run(cx, &session, &mut tracker, until).await {
            Ok(end) => Ok(Polled::new(Outputs::none()).state(tracker.finish(end))),
            Err(error) => broken_off(session.clean(error), tracker),
        }
    }
}

/// Ends a poll that met an error.
fn broken_off(error: Error, tracker: Tracker) -> Result<Polled, Error> {
    let emitted = tracker.emitted();
    if emitted == 0 {
        return Err(error);
    }
    let Some(state) = tracker.interrupted() else {
        let info = error.into_info();
        let text = format!("{} ({emitted} items that were emitted before come again)", info.message);
        // Another attempt of the same tick would number other messages alike.
        return Err(Error::fatal(&info.code, text));
    };
    warn!(code = error.code(), emitted, "a poll broke off; the next one goes on where it stopped");
    Ok(Polled::new(Outputs::none()).state(state))
}

/// When a poll has to end for its state to be stored.
fn in_order(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - RESERVE.min(left / 10)
}

async fn run(
    cx: &Context,
    session: &Session<'_>,
    tracker: &mut Tracker,
    until: Option<Instant>,
) -> Result<End, Error> {
    let most = session.step.pages.as_ref().map_or(u64::MAX, |pages| pages.plan.max_items);
    let mut walk = Walk::begin(session).await?;
    let mut page = walk.next().await?;
    while let Some(items) = page {
        let (sent, next) = tokio::join!(sift(cx, session, (&mut *tracker, most), items, until), walk.next());
        if sent? {
            return Ok(End::Limit);
        }
        page = next?;
    }
    Ok(walk.end().unwrap_or(End::Last))
}

/// Emits what is new of a page. True when `most` items were emitted and there are more.
async fn sift(
    cx: &Context,
    session: &Session<'_>,
    (tracker, most): (&mut Tracker, u64),
    page: Items,
    until: Option<Instant>,
) -> Result<bool, Error> {
    let Items { items, source, room: _room } = page;
    let items =
        session.evaluate(move |step, evaluator, scope| identify(step, evaluator, scope, items)).await??;
    for identified in items {
        let fresh = tracker.admit(&identified)?;
        let Identified { item, hash, moment } = identified;
        if fresh {
            if tracker.emitted() >= most {
                return Ok(true);
            }
            let item = session.refine(item, &source).await?;
            let sent = cx.emit(output(item, source.status));
            match until {
                None => sent.await?,
                Some(until) => timeout_at(until, sent).await.map_err(|_| late())??,
            }
        }
        tracker.note(hash, moment, fresh);
    }
    Ok(false)
}

fn late() -> Error {
    Error::retryable("timeout", "the time of the step was too short to emit everything")
}

/// Evaluates the key and the value of each item.
fn identify(
    step: &Compiled,
    evaluator: &mut Evaluator,
    scope: &Map<String, Value>,
    items: Vec<Value>,
) -> Result<Vec<Identified>, Error> {
    let Some(watch) = &step.watch else { return Ok(Vec::new()) };
    let mut document = Value::Object(scope.clone());
    let mut identified = Vec::with_capacity(items.len());
    for item in items {
        document["item"] = item;
        let root = Root::new(&document);
        let key = match &watch.key {
            Some(key) => key.value(evaluator, &root)?.filter(|key| !key.is_null()),
            None => None,
        };
        let moment = match &watch.incremental {
            None => None,
            Some((it, value)) => {
                let found = value.value(evaluator, &root)?.unwrap_or(Value::Null);
                Some(Moment::read(&found, it.format).ok_or_else(|| no_value(key.as_ref()))?)
            }
        };
        drop(root);
        let item = document["item"].take();
        let by = if key.is_some() { "key" } else { "content" };
        let value = moment.as_ref().map(|moment| &moment.value);
        let text = format!("{}\n{}", key.as_ref().unwrap_or(&item), value.unwrap_or(&Value::Null));
        // The upper half is as good a hash as the whole.
        let hash = (MessageId::derive(by, text.as_bytes()).bits() >> 64) as u64;
        identified.push(Identified { item, hash, moment });
    }
    Ok(identified)
}

fn no_value(key: Option<&Value>) -> Error {
    let which = key.map_or_else(String::new, |key| {
        format!(" `{}`", key.to_string().chars().take(60).collect::<String>())
    });
    let text = format!("an item{which} has no value of the format of `incremental`");
    Error::fatal("no_value", text)
}
