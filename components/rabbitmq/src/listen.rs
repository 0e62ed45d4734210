//! Listener `listen`: consumes a queue and acknowledges each message once its execution is stored.
//!
//! Every end of the consumer ends the listener, and the SDK starts it again: a lost connection, a cancelled consumer, a
//! queue that has messages while none arrive.

use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer};
use sluice_sdk::{Context, Emitter, Error, ListenerTrigger};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::broker::{Access, answered};
use crate::message::receive;
use crate::queue::{Config, prepare};

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long nothing may arrive while the queue has messages and we hold none.
const STALLED: Duration = Duration::from_secs(30);

pub(crate) struct Listen;

impl ListenerTrigger for Listen {
    type Config = Config;

    async fn listen(&self, cx: &Context, config: &Config, emitter: Emitter) -> Result<(), Error> {
        let access = Access::of(cx).await?;
        let connection = access.connect(cx).await?;
        let channel = answered(connection.create_channel()).await?;
        let queue = prepare(cx, config, &channel).await?;
        answered(channel.basic_qos(config.prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
        let consumer = answered(consumer).await?;
        info!("listening");
        let watch = Watch { connection: &connection, queue: &queue, version: access.version };
        consume(cx, consumer, &emitter, watch).await
    }
}

/// What tells a stalled consumer from a quiet queue.
struct Watch<'a> {
    connection: &'a Connection,
    queue: &'a str,
    version: u64,
}

async fn consume(
    cx: &Context,
    mut consumer: Consumer,
    emitter: &Emitter,
    watch: Watch<'_>,
) -> Result<(), Error> {
    // Messages whose confirm is awaited; the prefetch bounds them.
    let mut waiting = FuturesUnordered::new();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_arrival = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = cx.cancelled() => break,
            Some(done) = waiting.next() => acknowledge(done).await?,
            next = consumer.next() => {
                let delivery = next.ok_or_else(consumer_ended)?.map_err(|error| crate::broker::failure(&error))?;
                last_arrival = Instant::now();
                let received = receive(&delivery);
                let Delivery { acker, .. } = delivery;
                match emitter.enqueue(received.key.as_deref(), received.output).await {
                    Ok(confirmed) => waiting.push(confirmed.map(move |stored| (acker, stored))),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => reject(&acker, &error).await?,
                }
            }
            _ = looks.tick() => {
                let quiet = waiting.is_empty() && last_arrival.elapsed() >= STALLED;
                watch.look(cx, quiet).await?;
            }
        }
    }
    // What was handed over is acknowledged; the rest goes back with the connection.
    while let Some(done) = waiting.next().await {
        acknowledge(done).await?;
    }
    Ok(())
}

async fn acknowledge((acker, stored): (Acker, Result<(), Error>)) -> Result<(), Error> {
    stored?;
    // Not acknowledged means that it comes again, with the same id if it has one.
    if !answered(acker.ack(BasicAckOptions::default())).await? {
        warn!("a message could not be acknowledged and will come again");
    }
    Ok(())
}

/// A message that can never be taken, such as one that is too large: the queue's own dead-lettering keeps it.
async fn reject(acker: &Acker, error: &Error) -> Result<(), Error> {
    warn!(code = error.code(), "a message is rejected");
    answered(acker.reject(BasicRejectOptions { requeue: false })).await?;
    Ok(())
}

fn consumer_ended() -> Error {
    Error::retryable("consumer_ended", "the broker ended the consumer")
}

impl Watch<'_> {
    /// Fails when the consumer has to be built anew.
    async fn look(&self, cx: &Context, quiet: bool) -> Result<(), Error> {
        if Access::of(cx).await.is_ok_and(|now| now.version != self.version) {
            return Err(Error::retryable("credentials_changed", "the instance has new credentials"));
        }
        // A refusal closes the channel it is asked on, so the question has one of its own.
        let channel: Channel = answered(self.connection.create_channel()).await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue =
            answered(channel.queue_declare(self.queue.into(), options, FieldTable::default())).await?;
        answered(channel.close(200, "OK".into())).await?;
        if quiet && queue.message_count() > 0 {
            return Err(Error::retryable("consumer_stalled", "the queue has messages, but none arrive"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
