//! A load with books: messages that come by a queue and by a webhook, pass a step, and end at the recorder.

mod sources;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::sources::{send_by_hook, send_by_queue, until};
use crate::{Broker, Ledger, Recorder, World};

pub use self::sources::{Sources, call};

/// The components that the flow needs.
pub const COMPONENTS: [&str; 4] = ["rabbitmq", "faulty", "http", "rest"];
/// The name of the flow.
pub const FLOW: &str = "load";
/// The queue that it listens on.
pub const SOURCE: &str = "source";

/// What the flow is like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its version, which its messages carry as `v`.
    pub version: &'static str,
    /// The function of the middle step.
    pub function: &'static str,
    /// How many inputs the middle step takes at a time.
    pub concurrency: u32,
    /// More of the middle step, as YAML behind a comma.
    pub work: &'static str,
    /// Where the message is in what the middle step emits.
    pub message: &'static str,
    /// More of what the last step sends, as YAML behind a comma.
    pub more: &'static str,
}

impl Default for Shape {
    fn default() -> Self {
        let work = ", timeout: 20s, retry: { attempts: 5, initial: 1s, max: 5s }";
        Self { version: "1.0.0", function: "faulty/act", concurrency: 32, work, message: "$.body", more: "" }
    }
}

impl Shape {
    /// The connector of the webhook, and the template.
    fn files(&self, url: &str) -> String {
        let Self { version, function, concurrency, work, message, more } = self;
        format!(
            "---
sluice: 1
kind: connector
name: door
version: 1.0.0
title: Door
triggers:
  call: {{ title: Called, kind: webhook, signature: {{ preset: none }}, delivery_id: {{ header: x-delivery }} }}
---
sluice: 1
kind: template
name: {FLOW}
version: {version}
instances:
  shop: {{ connector: rabbitmq }}
steps:
  - {{ id: listen, use: shop/listen, config: {{ queue: {SOURCE}, prefetch: 200 }} }}
  - {{ id: call, use: door/call, after: [] }}
  - {{ id: work, use: {function}, after: [listen, call], concurrency: {concurrency}{work} }}
  - id: out
    use: http/request
    config: {{ method: POST, url: \"{url}/got\" }}
    input: {{ id: {message}.id, data: {message}.data, v: \"{version}\"{more} }}
    concurrency: 32
    retry: {{ attempts: 20, initial: 1s, max: 5s }}
"
        )
    }
}

/// A flow under load, with its books.
pub struct Load {
    /// The books.
    pub ledger: Arc<Ledger>,
    /// Where the messages end.
    pub recorder: Recorder,
    hook: String,
    source: Broker,
    refusals: Refusals,
}

/// How often the webhook answered with each status that is no success.
type Refusals = Arc<Mutex<BTreeMap<u16, usize>>>;

impl Load {
    /// Declares the source, deploys the flow and waits until it runs. The books are in `folder`.
    ///
    /// # Errors
    /// When the flow does not come to run.
    pub async fn deploy(world: &World, folder: &Path, shape: &Shape) -> Result<Self> {
        let ledger = Arc::new(Ledger::create(folder)?);
        let recorder = Recorder::start(ledger.clone()).await?;
        let amqp = world.broker.connect().await?;
        amqp.queue(SOURCE, None).await?;
        amqp.close().await?;
        let load = Self {
            ledger,
            recorder,
            hook: String::new(),
            source: world.broker.clone(),
            refusals: Arc::default(),
        };
        load.apply(world, shape).await?;
        world.running(FLOW).await?;
        let hooks = world.api.get(&format!("/api/v1/flows/{FLOW}/hooks")).await?;
        let path = hooks[0]["urls"][0]["path"].as_str().context("no webhook")?;
        Ok(Self { hook: format!("{}{path}", world.api.base()), ..load })
    }

    /// Applies the flow in this shape.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn apply(&self, world: &World, shape: &Shape) -> Result<Value> {
        world.apply_with_broker("shop", &shape.files(&self.recorder.url(&world.host))).await
    }

    /// The URL of the webhook.
    #[must_use]
    pub fn hook(&self) -> &str {
        &self.hook
    }

    /// How often the webhook answered with each status that is no success.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<u16, usize> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to send `messages`, `rate` a second: the first half of each pair by the queue, the other by the webhook. Each
    /// is sent until it is accepted.
    #[must_use]
    pub fn begin(&self, messages: Vec<Message>, rate: f64) -> Sources {
        let (stop, enough) = (CancellationToken::new(), CancellationToken::new());
        let (by_queue, by_hook): (Vec<Message>, Vec<Message>) =
            messages.into_iter().partition(|message| message.way == Way::Queue);
        let share = |some: &Vec<Message>, all: usize| rate * some.len() as f64 / all.max(1) as f64;
        let all = by_queue.len() + by_hook.len();
        let (queue_rate, hook_rate) = (share(&by_queue, all), share(&by_hook, all));
        let queue =
            send_by_queue((self.source.clone(), enough.clone()), self.ledger.clone(), by_queue, queue_rate);
        let mut tasks = vec![tokio::spawn(until(stop.clone(), queue))];
        // A request waits for its answer, so a few at a time make the rate.
        const CALLERS: usize = 4;
        let mut shares: Vec<Vec<Message>> = vec![Vec::new(); CALLERS];
        for (number, message) in by_hook.into_iter().enumerate() {
            shares[number % CALLERS].push(message);
        }
        for share in shares {
            let sender = send_by_hook(
                (self.hook.clone(), self.refusals.clone(), enough.clone()),
                self.ledger.clone(),
                share,
                hook_rate / CALLERS as f64,
            );
            tasks.push(tokio::spawn(until(stop.clone(), sender)));
        }
        Sources { tasks, stop, enough }
    }
}

/// By which way a message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The queue that the flow listens on.
    Queue,
    /// The webhook.
    Hook,
}

/// A message of the source.
#[derive(Debug, Clone)]
pub struct Message {
    /// What the source calls it.
    pub id: String,
    /// Its data.
    pub data: String,
    /// By which way it comes.
    pub way: Way,
    /// What the step in the middle shall do, besides passing it on.
    pub deed: Option<Value>,
}

impl Message {
    /// Its body.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = json!({ "id": self.id, "data": self.data });
        if let (Some(body), Some(Value::Object(deed))) = (body.as_object_mut(), &self.deed) {
            body.extend(deed.clone());
        }
        body.to_string()
    }
}

/// Messages `from..to` with data that the seed decides, by either way in turn.
#[must_use]
pub fn messages(seed: u64, range: std::ops::Range<usize>) -> Vec<Message> {
    let mut rng = StdRng::seed_from_u64(seed);
    let message = |n: usize| {
        let way = if n.is_multiple_of(2) { Way::Queue } else { Way::Hook };
        let words: Vec<String> = (0..16).map(|_| format!("{:016x}", rng.random::<u64>())).collect();
        Message { id: format!("m-{n}"), data: words.join(" "), way, deed: None }
    };
    range.map(message).collect()
}
