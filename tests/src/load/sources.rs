//! The senders of a load: each message is sent until it is accepted, at the rate that the system allows.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Confirmation};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Message, Refusals, SOURCE};
use crate::{Amqp, Broker, Ledger};

/// Publishes of a source that await their confirms at a time.
const WINDOW: usize = 20;
/// How long a publish may go unconfirmed before it is sent again.
const CONFIRM: Duration = Duration::from_secs(10);

/// The senders of a load.
pub struct Sources {
    pub(super) tasks: Vec<JoinHandle<Result<()>>>,
    pub(super) stop: CancellationToken,
    /// Begins nothing more.
    pub(super) enough: CancellationToken,
}

impl Sources {
    /// Whether all of them are done.
    #[must_use]
    pub fn are_done(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }

    /// Begins nothing more. What was begun is still sent until it is accepted.
    pub fn enough(&self) {
        self.enough.cancel();
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

pub(super) async fn until(stop: CancellationToken, work: impl Future<Output = Result<()>>) -> Result<()> {
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

pub(super) async fn send_by_queue(
    (broker, enough): (Broker, CancellationToken),
    ledger: Arc<Ledger>,
    messages: Vec<Message>,
    rate: f64,
) -> Result<()> {
    let mut link: Option<Amqp> = None;
    let mut pace = pace(rate, WINDOW);
    for window in messages.chunks(WINDOW) {
        pace.tick().await;
        if enough.is_cancelled() {
            break;
        }
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

pub(super) async fn send_by_hook(
    (url, refusals, enough): (String, Refusals, CancellationToken),
    ledger: Arc<Ledger>,
    messages: Vec<Message>,
    rate: f64,
) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let mut pace = pace(rate, 1);
    for message in messages {
        pace.tick().await;
        if enough.is_cancelled() {
            break;
        }
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
