//! Publishing with confirms.
//!
//! One task owns a channel in confirm mode. Messages go out in the order in which they were handed in, without waiting
//! for each other's confirms. Nothing is published as mandatory: everything goes through the lanes exchange, whose
//! alternate exchange keeps what fits no queue, so a confirm always means that the broker holds the message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use sluice_domain::topology;
use sluice_ports::broker::{Publish, PublishError, Target};
use sluice_ports::{Fault, PortError};
use sluice_protocol::batch;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, info_span};

use crate::link::Link;

/// A confirm that is later than this is no confirm: the message is published again.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = oneshot::Sender<Result<(), PublishError>>;
type Confirms = FuturesUnordered<BoxFuture<'static, (Answer, Result<(), PublishError>)>>;

/// Hands messages to the publishing task.
#[derive(Clone)]
pub(crate) struct Publisher {
    inbox: mpsc::UnboundedSender<(Publish, Answer)>,
}

impl Publisher {
    /// Starts the task.
    pub(crate) fn start(link: Link) -> Self {
        // Unbounded so that handing in never waits and order is that of the calls; callers bound what they have
        // outstanding.
        let (inbox, messages) = mpsc::unbounded_channel();
        tokio::spawn(run(link, messages).instrument(info_span!("broker_publisher")));
        Self { inbox }
    }

    /// Publishes and waits for the confirm.
    pub(crate) async fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let (answer, confirmed) = oneshot::channel();
        let ended = || unknown("the broker adapter was shut down");
        self.inbox.send((message, answer)).map_err(|_| ended())?;
        confirmed.await.map_err(|_| ended())?
    }
}

fn unknown(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PublishError {
    PublishError::Unknown(PortError::new(Fault::Transient, "publish a message", reason))
}

async fn run(link: Link, mut messages: mpsc::UnboundedReceiver<(Publish, Answer)>) {
    let mut channel: Option<Channel> = None;
    let mut confirms: Confirms = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some((answer, result)) = confirms.next() => {
                // Whoever asked may have gone away.
                answer.send(result).ok();
            }
            message = messages.recv() => {
                let Some((message, answer)) = message else { break };
                if channel.as_ref().is_none_or(|channel| !channel.status().connected()) {
                    channel = open(&link).await;
                }
                let Some(open) = channel.as_ref() else {
                    answer.send(Err(unknown("there is no connection to the broker"))).ok();
                    continue;
                };
                // A connection that ends right now may leave a publish without any answer.
                let sent = tokio::time::timeout(CONFIRM_TIMEOUT, send(open, &message)).await;
                match sent {
                    Ok(Ok(confirm)) => confirms.push(Box::pin(wait(link.clone(), confirm, answer))),
                    Ok(Err(error)) => {
                        channel = None;
                        answer.send(Err(unknown(error))).ok();
                    }
                    Err(_) => {
                        channel = None;
                        answer.send(Err(unknown("the broker does not answer"))).ok();
                    }
                }
            }
        }
    }
    while let Some((answer, result)) = confirms.next().await {
        answer.send(result).ok();
    }
}

/// A channel in confirm mode on the connection of now; none when it cannot be had within the confirm timeout.
async fn open(link: &Link) -> Option<Channel> {
    let opening = async {
        let (_, connection) = link.now().await?;
        let channel = connection.create_channel().await.ok()?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.ok()?;
        Some(channel)
    };
    tokio::time::timeout(CONFIRM_TIMEOUT, opening).await.ok().flatten()
}

async fn send(channel: &Channel, message: &Publish) -> Result<lapin::PublisherConfirm, lapin::Error> {
    let key = match &message.target {
        Target::Lane(lane) => lane.as_str().to_owned(),
        Target::Suspects(deployment) => topology::suspects_queue(*deployment),
        Target::Invocations(deployment) => topology::invocations_queue(*deployment),
        Target::Retry(tier) => topology::retry_queue(*tier),
        Target::Router(shard) => topology::router_queue(*shard),
    };
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type(batch::CONTENT_TYPE.into())
        .with_message_id(message.message_id.as_str().into())
        .with_type(message.kind.into())
        // Only for people: the broker tells by it how long the oldest message of a queue waits.
        .with_timestamp(now());
    if let Some(encoding) = message.encoding.header() {
        properties = properties.with_content_encoding(encoding.into());
    }
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(topology::LANES.into(), key.as_str().into(), options, &message.payload, properties)
        .await
}

/// Whole seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Waits for a confirm. While the broker blocks publishing there is none to expect, so the clock starts anew.
async fn wait(
    link: Link,
    confirm: lapin::PublisherConfirm,
    answer: Answer,
) -> (Answer, Result<(), PublishError>) {
    tokio::pin!(confirm);
    loop {
        match tokio::time::timeout(CONFIRM_TIMEOUT, &mut confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => return (answer, Ok(())),
            Ok(Ok(Confirmation::Nack(_))) => return (answer, Err(PublishError::Refused)),
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested)) => {
                return (answer, Err(unknown("the broker returned the message")));
            }
            Ok(Err(error)) => return (answer, Err(unknown(error))),
            Err(_) if link.state().blocked.is_some() => {}
            Err(_) => return (answer, Err(unknown("the broker did not confirm within 10 s"))),
        }
    }
}
