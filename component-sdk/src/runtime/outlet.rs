//! Where outputs go before a run ends: partial outcomes of a run, and the messages of a listener.
//!
//! Each is bounded in bytes, and so are all of a process together: a fast source waits for the broker instead of filling the
//! memory, and so do a hundred of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sluice_protocol::{Envelope, MessageId, Outcome, Output, Status, StepKey};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::outcome::{self, answer, bare};
use super::publisher::Publisher;
use super::queue::Room;
use crate::context::Sink;
use crate::emitter::Outlet;
use crate::{Error, Outputs};

/// What one run or listener may have under way, in KiB.
const ROOM_KIB: u32 = 16 * 1024;
/// What a message costs at least: so at most 1024 are under way.
const LEAST_KIB: u32 = 16;

fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(ROOM_KIB).clamp(LEAST_KIB, ROOM_KIB)
}

fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ROOM_KIB as usize))
}

async fn enter(publisher: &Publisher, room: &Arc<Semaphore>, bytes: usize) -> Result<Room, Error> {
    publisher.enter(room, cost(bytes)).await.map_err(|_| ended())
}

fn ended() -> Error {
    Error::rebound("drained", "the component ends")
}

/// Takes the outputs that a run streams.
pub(crate) struct PartialSink {
    publisher: Publisher,
    routing_key: Arc<str>,
    envelope: Arc<Envelope>,
    offset: AtomicU64,
    /// Made for the first output: most runs stream none.
    room: OnceLock<Arc<Semaphore>>,
}

impl PartialSink {
    pub(crate) fn new(publisher: Publisher, routing_key: Arc<str>, envelope: Arc<Envelope>) -> Self {
        Self { publisher, routing_key, envelope, offset: AtomicU64::new(0), room: OnceLock::new() }
    }

    /// Waits until everything streamed is confirmed, takes no more, and says how much it was.
    pub(crate) async fn close(&self) -> u64 {
        let mut streamed = true;
        let room = self.room.get_or_init(|| {
            streamed = false;
            Arc::new(Semaphore::new(0))
        });
        if streamed {
            // The semaphore is closed nowhere else; a failure would only mean that nothing is under way.
            drop(room.acquire_many(ROOM_KIB).await);
        }
        room.close();
        self.offset.load(Ordering::Acquire)
    }
}

#[async_trait]
impl Sink for PartialSink {
    async fn partial(&self, output: Output) -> Result<(), Error> {
        let base = answer(&self.envelope, Status::Partial);
        let echoed = base.context.as_ref().map_or(0, |context| context.get().len());
        let outputs = outcome::split(vec![output], echoed)?.remove(0);
        let bytes = outputs[0].body.get().len() + echoed;
        let room = enter(&self.publisher, self.room.get_or_init(room), bytes).await?;
        let offset = self.offset.fetch_add(1, Ordering::AcqRel);
        let record = outcome::line(&Outcome { outputs, offset, ..base });
        // Nobody waits for the one record: `close` waits until all room is free again.
        drop(self.publisher.store_holding(Arc::clone(&self.routing_key), record, Some(room)));
        Ok(())
    }

    fn outlet(self: Arc<Self>) -> Arc<dyn Outlet> {
        let (publisher, routing_key) = (self.publisher.clone(), Arc::clone(&self.routing_key));
        let step = self.envelope.step.clone();
        Arc::new(ListenerOutlet::new(publisher, step, routing_key, CancellationToken::new()))
    }
}

/// Takes what a listener received.
pub(crate) struct ListenerOutlet {
    publisher: Publisher,
    routing_key: Arc<str>,
    step: StepKey,
    room: Arc<Semaphore>,
    stopped: CancellationToken,
}

impl ListenerOutlet {
    pub(crate) fn new(
        publisher: Publisher,
        step: StepKey,
        routing_key: Arc<str>,
        stopped: CancellationToken,
    ) -> Self {
        Self { publisher, routing_key, step, room: room(), stopped }
    }
}

#[async_trait]
impl Outlet for ListenerOutlet {
    async fn accept(
        &self,
        id: MessageId,
        outputs: Outputs,
    ) -> Result<BoxFuture<'static, Result<(), Error>>, Error> {
        let base = bare(id, self.step.clone(), Status::Ok);
        let records: Vec<_> =
            outcome::succeed(&base, outputs.build()?, None)?.iter().map(outcome::line).collect();
        let bytes = records.iter().map(bytes::Bytes::len).sum();
        let room = tokio::select! {
            biased;
            () = self.stopped.cancelled() => return Err(ended()),
            room = enter(&self.publisher, &self.room, bytes) => room?,
        };
        let confirmations: Vec<_> = records
            .into_iter()
            .map(|record| {
                self.publisher.store_holding(Arc::clone(&self.routing_key), record, Some(Arc::clone(&room)))
            })
            .collect();
        Ok(Box::pin(async move {
            for confirmed in confirmations {
                confirmed.await.map_err(|_| ended())?;
            }
            Ok(())
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::publisher::ALL_KIB;
    use super::*;

    /// A listener takes the next message before it looks at the confirms of the earlier ones.
    #[tokio::test]
    async fn a_listener_gets_room_again_without_waiting_for_the_confirms_itself() {
        let (publisher, mut broker) = Publisher::manual();
        let step: StepKey = "flow_1/1/listen".parse().unwrap();
        let outlet = ListenerOutlet::new(publisher, step, "01".into(), CancellationToken::new());
        tokio::spawn(async move {
            while let Some(pending) = broker.recv().await {
                pending.waiter.tell();
            }
        });
        let most = u128::from(ROOM_KIB / LEAST_KIB);
        let mut confirms = Vec::new();
        for number in 0..2 * most {
            let accepted =
                outlet.accept(MessageId::from_bits(number), crate::Output::new(number.to_string()).into());
            confirms.push(tokio::time::timeout(Duration::from_secs(30), accepted).await.unwrap().unwrap());
        }
        for confirm in confirms {
            confirm.await.unwrap();
        }
    }

    /// A hundred listeners in one container have no more under way than three.
    #[tokio::test(start_paused = true)]
    async fn all_listeners_together_wait_for_the_broker() {
        let (publisher, mut broker) = Publisher::manual();
        let accepted = Arc::new(AtomicU64::new(0));
        for listener in 0..100_u64 {
            let (publisher, accepted) = (publisher.clone(), Arc::clone(&accepted));
            tokio::spawn(async move {
                let step: StepKey = format!("flow_{listener}/1/listen").parse().unwrap();
                let outlet = ListenerOutlet::new(publisher, step, "01".into(), CancellationToken::new());
                for number in 0..200 {
                    let output = crate::Output::new(number.to_string());
                    let id = MessageId::from_bits(u128::from(listener * 1000 + number));
                    drop(outlet.accept(id, output.into()).await.unwrap());
                    accepted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // The clock moves when nothing else can.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let most = u64::from(ALL_KIB / LEAST_KIB);
        assert_eq!(accepted.load(Ordering::SeqCst), most);
        for _ in 0..20_000 {
            broker.recv().await.unwrap().waiter.tell();
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 20_000);
    }
}
