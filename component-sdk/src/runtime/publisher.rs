//! Publishes outcomes until the broker has confirmed each of them.
//!
//! Only a plain acknowledgement means stored. Anything else, or silence, means unknown: the same records are published
//! again, over a new connection if need be. What waits here is bounded by what the lanes and listeners hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};
use sluice_protocol::{batch, encode_id};
use tokio::sync::{AcquireError, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, warn};

use super::backoff::Backoff;
use super::broker::{BrokerError, Link, answered};
use super::queue::{Batch, Pending, Queue, Room};
use super::window::{Key, Window};
use crate::error::chain;

/// How many batches may wait for their confirms at a time.
const OUTSTANDING: usize = 8;
/// What all runs and listeners may have under way together, in KiB: a container serves hundreds of flows in 256 MiB.
pub(crate) const ALL_KIB: u32 = 48 * 1024;
/// AMQP's delivery mode for a message that is written to disk.
const PERSISTENT: u8 = 2;

/// Who is told that a record is stored.
pub(crate) enum Waiter {
    /// A task of its own.
    Task(oneshot::Sender<()>),
    /// The deliveries that the record answers.
    Deliveries(Answer),
}

/// The final outcome of a record that was delivered.
pub(crate) struct Answer {
    pub(crate) window: Arc<Window>,
    pub(crate) key: Key,
    pub(crate) success: bool,
    /// Tells the end of the component that something is not settled yet.
    pub(crate) running: TaskTrackerToken,
    /// Who else waits for it.
    pub(crate) told: Option<oneshot::Sender<()>>,
}

impl Waiter {
    pub(crate) fn tell(self) {
        match self {
            // Whoever does not wait for the confirm any more needs no answer.
            Self::Task(waiting) => drop(waiting.send(())),
            Self::Deliveries(answer) => {
                for ticket in answer.window.finish(answer.key, answer.success) {
                    if ticket.count() {
                        let running = answer.running.clone();
                        tokio::spawn(async move {
                            ticket.acknowledge().await;
                            drop(running);
                        });
                    }
                }
                if let Some(waiting) = answer.told {
                    waiting.send(()).ok();
                }
            }
        }
    }
}

/// Hands records to the publisher. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Publisher {
    records: mpsc::UnboundedSender<Pending>,
    /// What all runs and listeners of the process may have under way together.
    all: Arc<Semaphore>,
}

impl Publisher {
    pub(crate) fn start(link: Arc<Link>) -> Self {
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(Task { link, incoming, queue: Queue::default() }.run());
        Self::to(sender)
    }

    fn to(records: mpsc::UnboundedSender<Pending>) -> Self {
        Self { records, all: Arc::new(Semaphore::new(ALL_KIB as usize)) }
    }

    /// Waits until `own` and all runs and listeners together have room for so many KiB.
    ///
    /// # Errors
    /// When there is no room any more at all: the component ends.
    pub(crate) async fn enter(&self, own: &Arc<Semaphore>, kib: u32) -> Result<Room, AcquireError> {
        let own = Arc::clone(own).acquire_many_owned(kib).await?;
        let all = Arc::clone(&self.all).acquire_many_owned(kib).await?;
        Ok(Arc::new((own, all)))
    }

    /// Resolves once the broker has stored the record; fails only when the component ends.
    pub(crate) fn store(&self, key: Arc<str>, record: Bytes) -> oneshot::Receiver<()> {
        self.store_holding(key, record, None)
    }

    /// As [`store`](Self::store), and lets go of `room` once the broker has stored the record, whether or not anybody
    /// waits for that.
    pub(crate) fn store_holding(
        &self,
        key: Arc<str>,
        record: Bytes,
        room: Option<Room>,
    ) -> oneshot::Receiver<()> {
        let (stored, confirmed) = oneshot::channel();
        self.push(key, record, Waiter::Task(stored), room);
        confirmed
    }

    /// Takes the final outcome of a record, and settles the deliveries that it answers once the broker has stored it.
    pub(crate) fn answer(&self, key: Arc<str>, record: Bytes, answer: Answer) {
        self.push(key, record, Waiter::Deliveries(answer), None);
    }

    fn push(&self, key: Arc<str>, record: Bytes, waiter: Waiter, room: Option<Room>) {
        // A failed send drops the waiter, which a task notices; deliveries stay unacknowledged and come again.
        drop(self.records.send(Pending { key, record, since: Instant::now(), waiter, _room: room }));
    }

    /// A publisher whose broker is the test.
    #[cfg(test)]
    pub(crate) fn manual() -> (Self, mpsc::UnboundedReceiver<Pending>) {
        let (sender, incoming) = mpsc::unbounded_channel();
        (Self::to(sender), incoming)
    }
}

struct Task {
    link: Arc<Link>,
    incoming: mpsc::UnboundedReceiver<Pending>,
    queue: Queue,
}

enum End {
    NobodyLeft,
    Broken,
}

/// What became of a published batch.
enum Verdict {
    Stored,
    Refused,
    Unknown(BrokerError),
}

type Verdicts = FuturesUnordered<BoxFuture<'static, (u64, Verdict)>>;

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            let (channel, session) = self.link.publishing_channel().await;
            match self.publish(&channel, &session.exchange, &mut backoff).await {
                End::NobodyLeft => return,
                End::Broken => {
                    self.link.discard().await;
                    backoff.wait().await;
                }
            }
        }
    }

    /// Publishes over one channel until it breaks. Then whatever was not confirmed is in the queue again.
    async fn publish(&mut self, channel: &Channel, exchange: &str, backoff: &mut Backoff) -> End {
        let mut verdicts = Verdicts::new();
        let mut outstanding: BTreeMap<u64, Batch> = BTreeMap::new();
        let mut next = 0;
        let end = loop {
            while outstanding.len() < OUTSTANDING
                && let Some(batch) = self.queue.take(outstanding.is_empty(), Instant::now())
            {
                next += 1;
                let sent = send(channel, exchange, &batch).await;
                let is_dead = sent.is_err();
                outstanding.insert(next, batch);
                verdicts.push(confirmation(next, sent));
                if is_dead {
                    // Each further one would take as long to fail.
                    break;
                }
            }
            let due =
                if outstanding.len() < OUTSTANDING { self.queue.due(outstanding.is_empty()) } else { None };
            tokio::select! {
                Some((number, verdict)) = verdicts.next() => {
                    let Some(batch) = outstanding.remove(&number) else { continue };
                    if !self.judge(batch, verdict, backoff) {
                        break End::Broken;
                    }
                }
                incoming = self.incoming.recv() => match incoming {
                    Some(pending) => self.queue.push(pending),
                    None if outstanding.is_empty() && due.is_none() => return End::NobodyLeft,
                    // Without this the closed channel would keep the loop spinning.
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                },
                () = wait_until(due) => {}
            }
            while let Ok(pending) = self.incoming.try_recv() {
                self.queue.push(pending);
            }
        };
        for (_, batch) in outstanding.into_iter().rev() {
            self.queue.put_back(batch);
        }
        end
    }

    /// Deals with a verdict; false means that the channel is of no use any more.
    fn judge(&mut self, batch: Batch, verdict: Verdict, backoff: &mut Backoff) -> bool {
        match verdict {
            Verdict::Stored => {
                backoff.reset();
                self.queue.stored(&batch.key);
                for pending in batch.records {
                    pending.waiter.tell();
                }
                true
            }
            Verdict::Refused => {
                debug!(
                    key = &*batch.key,
                    records = batch.records.len(),
                    "the broker refused a batch, it comes again"
                );
                self.queue.refuse(batch, Instant::now());
                true
            }
            Verdict::Unknown(error) => {
                warn!(error = chain(&error), "a batch is not confirmed, it is published again");
                self.queue.put_back(batch);
                false
            }
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn send(
    channel: &Channel,
    exchange: &str,
    batch: &Batch,
) -> Result<lapin::PublisherConfirm, BrokerError> {
    let records: Vec<&Bytes> = batch.records.iter().map(|pending| &pending.record).collect();
    let payload = batch::encode(&records);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(encode_id("batch", rand::random()).into())
        .with_type(batch::OUTCOMES.into())
        .with_content_type(batch::CONTENT_TYPE.into())
        .with_timestamp(seconds);
    if let Some(encoding) = payload.encoding.header() {
        properties = properties.with_content_encoding(encoding.into());
    }
    // Not mandatory: what has no route goes to the alternate exchange, which raises an alarm.
    let options = BasicPublishOptions::default();
    answered(channel.basic_publish(
        exchange.into(),
        (&*batch.key).into(),
        options,
        &payload.bytes,
        properties,
    ))
    .await
}

fn confirmation(
    number: u64,
    sent: Result<lapin::PublisherConfirm, BrokerError>,
) -> BoxFuture<'static, (u64, Verdict)> {
    Box::pin(async move {
        let verdict = match sent {
            Err(error) => Verdict::Unknown(error),
            Ok(confirm) => match answered(confirm).await {
                Ok(Confirmation::Ack(None)) => Verdict::Stored,
                Ok(_) => Verdict::Refused,
                Err(error) => Verdict::Unknown(error),
            },
        };
        (number, verdict)
    })
}
