//! Consuming across lost connections.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use rand::Rng;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag};
use sluice_ports::{Fault, PortError};
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
    /// Counts the channels, not the connections: a channel can end alone.
    generation: u64,
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
        Self { link, queue, prefetch, current: None, generation: 0, backoff: BACKOFF_FIRST }
    }

    async fn subscribe(&self) -> Option<Result<Current, String>> {
        let (_, connection) = self.link.now().await?;
        let subscribing = async {
            let channel = connection.create_channel().await?;
            channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            let name = self.queue.as_str().into();
            let stream = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
            Ok(Current { _channel: channel, stream, ackers: HashMap::new() })
        };
        // A connection that ends right now may leave a question without any answer.
        Some(match tokio::time::timeout(ANSWER, subscribing).await {
            Ok(subscribed) => subscribed.map_err(|error: lapin::Error| error.to_string()),
            Err(_) => Err("the broker does not answer".to_owned()),
        })
    }

    async fn pause(&mut self) {
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(self.backoff.mul_f64(jitter)).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MOST);
    }
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let Some(current) = self.current.as_mut() else {
                match self.subscribe().await? {
                    Ok(current) => {
                        self.generation += 1;
                        self.current = Some(current);
                        debug!(queue = self.queue, "consuming");
                    }
                    Err(error) => {
                        warn!(queue = self.queue, error, "cannot consume; trying on");
                        self.pause().await;
                    }
                }
                continue;
            };
            match current.stream.next().await {
                Some(Ok(delivery)) => {
                    self.backoff = BACKOFF_FIRST;
                    current.ackers.insert(delivery.delivery_tag, delivery.acker.clone());
                    return Some(convert(self.generation, delivery));
                }
                ended => {
                    // A cancel by the broker ends the stream; a lost connection ends it or gives an error first.
                    let reason =
                        ended.and_then(Result::err).map_or_else(|| "cancelled".to_owned(), |e| e.to_string());
                    warn!(queue = self.queue, reason, "the consumer ended; rebuilding it");
                    self.current = None;
                    self.pause().await;
                }
            }
        }
    }

    async fn ack(&mut self, tag: DeliveryTag) -> Result<bool, PortError> {
        let Some(current) = self.current.as_mut().filter(|_| tag.generation == self.generation) else {
            return Ok(false);
        };
        let Some(acker) = current.ackers.remove(&tag.tag) else { return Ok(false) };
        match acker.ack(BasicAckOptions::default()).await {
            Ok(acked) => Ok(acked),
            // The channel is gone, so the message comes again: that is what `false` says.
            Err(error) if error.is_io_error() || !error.is_amqp_error() => Ok(false),
            Err(error) => {
                Err(PortError::new(Fault::Transient, format!("acknowledge from {}", self.queue), error))
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
