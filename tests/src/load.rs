//! A load with books: messages that come by a queue and by a webhook, pass a step, and end at the recorder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lapin::BasicProperties;
use lapin::Confirmation;
use lapin::options::BasicPublishOptions;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Amqp, Broker, Ledger, Recorder, World};

/// The components that the flow needs.
pub const COMPONENTS: [&str; 4] = ["rabbitmq", "faulty", "http", "rest"];
/// The name of the flow.
pub const FLOW: &str = "load";
/// The queue that it listens on.
pub const SOURCE: &str = "source";

/// Publishes of a source that await their confirms at a time.
const WINDOW: usize = 20;
/// How long a publish may go unconfirmed before it is sent again.
const CONFIRM: Duration = Duration::from_secs(10);

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
        let stop = CancellationToken::new();
        let (by_queue, by_hook): (Vec<Message>, Vec<Message>) =
            messages.into_iter().partition(|message| message.way == Way::Queue);
        let share = |some: &Vec<Message>, all: usize| rate * some.len() as f64 / all.max(1) as f64;
        let all = by_queue.len() + by_hook.len();
        let (queue_rate, hook_rate) = (share(&by_queue, all), share(&by_hook, all));
        let queue = send_by_queue(self.source.clone(), self.ledger.clone(), by_queue, queue_rate);
        let mut tasks = vec![tokio::spawn(until(stop.clone(), queue))];
        // A request waits for its answer, so a few at a time make the rate.
        const CALLERS: usize = 4;
        let mut shares: Vec<Vec<Message>> = vec![Vec::new(); CALLERS];
        for (number, message) in by_hook.into_iter().enumerate() {
            shares[number % CALLERS].push(message);
        }
        for share in shares {
            let sender = send_by_hook(
                (self.hook.clone(), self.refusals.clone()),
                self.ledger.clone(),
                share,
                hook_rate / CALLERS as f64,
            );
            tasks.push(tokio::spawn(until(stop.clone(), sender)));
        }
        Sources { tasks, stop }
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

/// The senders of a load.
pub struct Sources {
    tasks: Vec<JoinHandle<Result<()>>>,
    stop: CancellationToken,
}

impl Sources {
    /// Whether all of them are done.
    #[must_use]
    pub fn are_done(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }

    /// Waits until everything is accepted.
    ///
    /// # Errors
    /// When it is not in time, or the books cannot be written.
    pub async fn done(mut self, patience: Duration) -> Result<()> {
        let all = async {
            for task in std::mem::take(&mut self.tasks) {
                task.await??;
            }
            Ok(())
        };
        tokio::time::timeout(patience, all).await.context("not everything was accepted in time")?
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        done = work => done,
    }
}

/// One tick for `count` messages at a rate; as fast as possible when it is 0.
fn pace(rate: f64, count: usize) -> tokio::time::Interval {
    let period =
        if rate > 0.0 { Duration::from_secs_f64(count as f64 / rate) } else { Duration::from_micros(1) };
    let mut pace = tokio::time::interval(period.max(Duration::from_micros(1)));
    // What could not be sent in time is not made up for: nobody shall be flooded after a fault.
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pace
}

async fn send_by_queue(broker: Broker, ledger: Arc<Ledger>, messages: Vec<Message>, rate: f64) -> Result<()> {
    let mut link: Option<Amqp> = None;
    let mut pace = pace(rate, WINDOW);
    for window in messages.chunks(WINDOW) {
        pace.tick().await;
        let mut left: Vec<&Message> = window.iter().collect();
        while !left.is_empty() {
            if link.is_none() {
                link = tokio::time::timeout(CONFIRM, open(&broker)).await.ok().and_then(Result::ok);
            }
            let Some(amqp) = &link else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let before = left.len();
            left = publish(amqp, &ledger, left).await?;
            if left.len() == before || !amqp.channel.status().connected() {
                link = None;
            }
        }
    }
    Ok(())
}

/// A broker that lost its data has no queue any more.
async fn open(broker: &Broker) -> Result<Amqp> {
    let amqp = broker.connect().await?;
    amqp.queue(SOURCE, None).await?;
    Ok(amqp)
}

/// Publishes messages, and gives those that were not confirmed.
async fn publish<'a>(amqp: &Amqp, ledger: &Ledger, messages: Vec<&'a Message>) -> Result<Vec<&'a Message>> {
    let mut confirms = Vec::with_capacity(messages.len());
    for message in messages {
        ledger.attempts(&message.id, &message.data)?;
        let body = message.body();
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(message.id.as_str().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = amqp.channel.basic_publish("".into(), SOURCE.into(), options, body.as_bytes(), properties);
        // A connection that is blocked or gone may leave it without any answer.
        confirms.push((message, tokio::time::timeout(CONFIRM, sent).await));
    }
    let mut left = Vec::new();
    for (message, sent) in confirms {
        let confirmed = match sent {
            Ok(Ok(confirm)) => tokio::time::timeout(CONFIRM, confirm).await,
            Ok(Err(_)) | Err(_) => {
                left.push(message);
                continue;
            }
        };
        if matches!(confirmed, Ok(Ok(Confirmation::Ack(None)))) {
            ledger.accepted(&message.id, &message.data)?;
        } else {
            left.push(message);
        }
    }
    Ok(left)
}

async fn send_by_hook(
    (url, refusals): (String, Refusals),
    ledger: Arc<Ledger>,
    messages: Vec<Message>,
    rate: f64,
) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let mut pace = pace(rate, 1);
    for message in messages {
        pace.tick().await;
        loop {
            ledger.attempts(&message.id, &message.data)?;
            let status = call(&http, &url, &message.id, message.body()).await;
            if let Ok(status @ 300..) = status {
                *refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            }
            match status {
                Ok(200..300) => break,
                Ok(status @ (400..=428 | 430..=499)) => {
                    bail!("the webhook refused {} for good: {status}", message.id);
                }
                // Senders come again when they are told to, or nobody answers.
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        ledger.accepted(&message.id, &message.data)?;
    }
    Ok(())
}

/// Calls the webhook with the id of a delivery; the status.
///
/// # Errors
/// When there is no answer.
pub async fn call(http: &reqwest::Client, url: &str, id: &str, body: String) -> Result<u16> {
    let request = http.post(url).header("content-type", "application/json").header("x-delivery", id);
    let response = request.body(body).send().await?;
    let status = response.status().as_u16();
    response.bytes().await.ok();
    Ok(status)
}
