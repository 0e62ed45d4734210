//! Consuming across lost connections.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use rand::Rng;
use sluice_ports::PortError;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag};
use tracing::{debug, warn};

use crate::link::Link;

/// How long the broker may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// A consumer of one queue.
pub(crate) struct QueueConsumer {
    link: Link,
    queue: String,
    prefetch: u16,
    current: Option<Current>,
    /// The subscription that is under way. Kept, because whoever waits for a delivery may give up at any time: begun
    /// anew each time it would never come about, or leave a consumer behind that holds messages nobody sees.
    subscribing: Option<BoxFuture<'static, Option<Current>>>,
    /// Counts the channels, not the connections: a channel can end alone.
    generation: u64,
    /// How long the next subscription waits before it begins.
    backoff: Duration,
}

struct Current {
    /// Held so that the channel lives as long as its consumer.
    _channel: lapin::Channel,
    stream: lapin::Consumer,
    ackers: HashMap<u64, Acker>,
}

impl QueueConsumer {
    pub(crate) fn new(link: Link, queue: String, prefetch: u16) -> Self {
        let (current, subscribing) = (None, None);
        Self { link, queue, prefetch, current, subscribing, generation: 0, backoff: Duration::ZERO }
    }
}

/// Subscribes, after `backoff`, trying for ever. `None` only when the adapter was shut down.
async fn subscribed(link: Link, queue: String, prefetch: u16, mut backoff: Duration) -> Option<Current> {
    loop {
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(backoff.mul_f64(jitter)).await;
        // A connection that ends right now may leave a question without any answer.
        let error = match tokio::time::timeout(ANSWER, subscribe(&link, &queue, prefetch)).await {
            Ok(Some(Ok(current))) => return Some(current),
            Ok(Some(Err(error))) => error.to_string(),
            Ok(None) => return None,
            Err(_) => "the broker does not answer".to_owned(),
        };
        warn!(queue, error, "cannot consume; trying on");
        backoff = longer(backoff);
    }
}

async fn subscribe(link: &Link, queue: &str, prefetch: u16) -> Option<Result<Current, lapin::Error>> {
    let (_, connection) = link.now().await?;
    let subscribing = async {
        let channel = connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let stream = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
        Ok(Current { _channel: channel, stream, ackers: HashMap::new() })
    };
    Some(subscribing.await)
}

fn longer(backoff: Duration) -> Duration {
    (backoff * 2).clamp(BACKOFF_FIRST, BACKOFF_MOST)
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let Some(current) = self.current.as_mut() else {
                let subscribing = self.subscribing.get_or_insert_with(|| {
                    let (link, queue) = (self.link.clone(), self.queue.clone());
                    Box::pin(subscribed(link, queue, self.prefetch, self.backoff))
                });
                let current = subscribing.await;
                self.subscribing = None;
                self.current = Some(current?);
                self.generation += 1;
                debug!(queue = self.queue, "consuming");
                continue;
            };
            match current.stream.next().await {
                Some(Ok(delivery)) => {
                    self.backoff = Duration::ZERO;
                    current.ackers.insert(delivery.delivery_tag, delivery.acker.clone());
                    return Some(convert(self.generation, delivery));
                }
                ended => {
                    // A cancel by the broker ends the stream; a lost connection ends it or gives an error first.
                    let reason =
                        ended.and_then(Result::err).map_or_else(|| "cancelled".to_owned(), |e| e.to_string());
                    warn!(queue = self.queue, reason, "the consumer ended; rebuilding it");
                    self.current = None;
                    self.backoff = longer(self.backoff);
                }
            }
        }
    }

    async fn ack(&mut self, tag: DeliveryTag) -> Result<bool, PortError> {
        let Some(current) = self.current.as_mut().filter(|_| tag.generation == self.generation) else {
            return Ok(false);
        };
        let Some(acker) = current.ackers.remove(&tag.tag) else { return Ok(false) };
        match tokio::time::timeout(ANSWER, acker.ack(BasicAckOptions::default())).await {
            Ok(Ok(acked)) => Ok(acked),
            Err(_) => {
                warn!(queue = self.queue, "the broker takes no acknowledgement; rebuilding the consumer");
                self.current = None;
                Ok(false)
            }
            // Whatever it says: nothing more can be told by this channel, so the message comes again.
            Ok(Err(error)) => {
                debug!(queue = self.queue, %error, "an acknowledgement did not get through; rebuilding the consumer");
                self.current = None;
                Ok(false)
            }
        }
    }
}

fn convert(generation: u64, delivery: lapin::message::Delivery) -> Delivery {
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(|text| text.to_string());
    Delivery {
        tag: DeliveryTag { generation, tag: delivery.delivery_tag },
        exchange: delivery.exchange.to_string(),
        routing_key: delivery.routing_key.to_string(),
        redelivered: delivery.redelivered,
        content_encoding: text(delivery.properties.content_encoding()),
        kind: text(delivery.properties.kind()),
        payload: Bytes::from(delivery.data),
    }
}
