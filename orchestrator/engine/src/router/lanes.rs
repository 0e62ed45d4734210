//! Sending: one queue per target, coalescing what is ready while earlier publishes are outstanding.
//!
//! Under light load each message goes out at once, alone. Under load batches form by themselves, because whatever comes
//! while [`OUTSTANDING`] publishes of a target are unconfirmed waits and then leaves together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sluice_ports::broker::{Broker, Publish, PublishError, Target};
use sluice_ports::failpoint;
use sluice_protocol::batch;
use tracing::warn;

use super::effects::Send;
use super::record::{REPLAY, RETRY};

/// Publishes of one target that may be unconfirmed at a time.
const OUTSTANDING: usize = 4;
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MOST: Duration = Duration::from_secs(2);

/// A message and the number of the delivery that waits for it.
pub(crate) type Parcel = (u64, Send);

/// The queues of all targets of one shard.
pub(crate) struct Lanes {
    broker: Arc<dyn Broker>,
    /// In an order of their own, so that the same messages leave in the same order in every process.
    queues: BTreeMap<Target, Queue>,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Parcel>,
    outstanding: usize,
}

/// A batch whose fate is known.
pub(crate) struct Sent {
    target: Target,
    parcels: Vec<Parcel>,
    refused: bool,
}

/// What came of a batch.
pub(crate) enum Fate {
    /// The broker has the messages.
    Stored(Vec<Parcel>),
    /// The queue is full.
    Refused(Vec<Parcel>),
}

impl Lanes {
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, queues: BTreeMap::new(), sending: FuturesUnordered::new() }
    }

    /// Queues a message. [`flush`](Self::flush) sends it.
    pub(crate) fn push(&mut self, parcel: Parcel) {
        let target = parcel.1.target.clone();
        self.queues.entry(target).or_default().waiting.push_back(parcel);
    }

    /// Whether nothing waits and nothing is outstanding.
    pub(crate) fn is_idle(&self) -> bool {
        self.sending.is_empty() && self.queues.values().all(|queue| queue.waiting.is_empty())
    }

    /// Sends what may be sent.
    pub(crate) async fn flush(&mut self) {
        let mut ready = Vec::new();
        for (target, queue) in &mut self.queues {
            while queue.outstanding < OUTSTANDING && !queue.waiting.is_empty() {
                queue.outstanding += 1;
                ready.push((target.clone(), take_batch(&mut queue.waiting)));
            }
        }
        for (target, parcels) in ready {
            let mut future: BoxFuture<'static, Sent> = Box::pin(send(self.broker.clone(), target, parcels));
            // Polling at once hands the message to the broker adapter now, so that the order of pushes is the order on
            // the wire.
            if let std::task::Poll::Ready(sent) = futures_util::poll!(&mut future) {
                future = Box::pin(std::future::ready(sent));
            }
            self.sending.push(future);
        }
    }

    /// The next batch whose fate is known. Never resolves while nothing is outstanding. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Fate {
        let Some(sent) = self.sending.next().await else { return std::future::pending().await };
        if let Some(queue) = self.queues.get_mut(&sent.target) {
            queue.outstanding -= 1;
            if queue.outstanding == 0 && queue.waiting.is_empty() {
                self.queues.remove(&sent.target);
            }
        }
        if sent.refused { Fate::Refused(sent.parcels) } else { Fate::Stored(sent.parcels) }
    }
}

/// Takes as many messages as one publish may carry, and as each of them bears.
fn take_batch(waiting: &mut VecDeque<Parcel>) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    let (mut bytes, mut most) = (0, usize::MAX);
    while let Some((_, next)) = waiting.front() {
        most = most.min(next.company);
        let full = parcels.len() >= most || !batch::fits(parcels.len(), bytes, next.record.len());
        if !parcels.is_empty() && full {
            break;
        }
        bytes += next.record.len() + 1;
        parcels.extend(waiting.pop_front());
    }
    parcels
}

/// Publishes a batch until the broker has stored or refused it.
async fn send(broker: Arc<dyn Broker>, target: Target, parcels: Vec<Parcel>) -> Sent {
    let records: Vec<&[u8]> = parcels.iter().map(|(_, send)| send.record.as_slice()).collect();
    let payload = batch::encode(&records);
    let message = Publish {
        message_id: parcels.first().map(|(_, send)| send.id.to_string()).unwrap_or_default(),
        kind: match target {
            Target::Retry(_) => RETRY,
            Target::Router(_) => REPLAY,
            Target::Lane(_) | Target::Suspects(_) | Target::Invocations(_) => batch::ENVELOPES,
        },
        encoding: payload.encoding,
        payload: payload.bytes,
        target: target.clone(),
    };
    let mut backoff = BACKOFF_FIRST;
    loop {
        match publish(&*broker, message.clone()).await {
            Ok(()) => return Sent { target, parcels, refused: false },
            Err(PublishError::Refused) if matches!(target, Target::Lane(_)) => {
                return Sent { target, parcels, refused: true };
            }
            Err(error) => {
                warn!(?target, %error, "publishing again");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MOST);
            }
        }
    }
}

async fn publish(broker: &dyn Broker, message: Publish) -> Result<(), PublishError> {
    failpoint::reach("lane_before_publish").await.map_err(PublishError::Unknown)?;
    broker.publish(message).await?;
    failpoint::reach("lane_after_confirm").await.map_err(PublishError::Unknown)
}
