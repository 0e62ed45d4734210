//! The loop of one router queue.
//!
//! Invariant: a delivery is acknowledged only after every message that follows from it is confirmed by the broker and
//! every effect on the store is committed. An outcome that comes again while the first one is still being finished
//! waits for it; one that was finished is skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use sluice_domain::{DeadLetter, Tier, topology};
use sluice_ports::Ports;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag, Target};
use sluice_protocol::ExecutionId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::effects::{ALONE, Effects, Parked, Send, TickEnd};
use super::failure::retry_record;
use super::lanes::{Fate, Lanes, Parcel};
use super::window::{Key, Window};
use super::worker::{Routed, Workers};
use crate::recorder::Recorder;
use crate::replies::{Answered, Replies};
use crate::table::Table;

/// Keys that a shard remembers at least.
const WINDOW: usize = 50_000;
/// How long a shard finishes what it began when the process stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all shards share.
#[derive(Clone)]
pub(crate) struct ShardContext {
    pub(crate) ports: Ports,
    pub(crate) table: Arc<Table>,
    pub(crate) workers: Workers,
    pub(crate) recorder: Recorder,
    pub(crate) prefetch: u16,
    pub(crate) parked: mpsc::UnboundedSender<Parked>,
    pub(crate) replies: Replies,
}

struct Shard {
    number: u8,
    context: ShardContext,
    consumer: Box<dyn Consumer>,
    window: Window,
    lanes: Lanes,
    storing: FuturesUnordered<BoxFuture<'static, u64>>,
    /// Deliveries that are not acknowledged, with the number of outcomes that are still open.
    deliveries: HashMap<u64, (DeliveryTag, usize)>,
    /// Outcomes that are not finished.
    outcomes: HashMap<u64, Open>,
    /// Where an outcome that comes again finds the one that is being finished.
    by_key: HashMap<Key, u64>,
    next: u64,
}

/// An outcome that is not finished.
struct Open {
    key: Option<Key>,
    /// Sends and store operations that are outstanding.
    left: usize,
    /// The deliveries that wait for it.
    waiters: Vec<u64>,
    /// What whoever asked learns once all is stored: who is told of a dead letter finds it.
    answers: Vec<(ExecutionId, Answered)>,
}

/// Routes the deliveries of a shard until `stop`.
pub(crate) async fn run(number: u8, context: ShardContext, stop: CancellationToken) {
    let queue = topology::router_queue(number);
    let consumer = match context.ports.broker.consume(&queue, context.prefetch).await {
        Ok(consumer) => consumer,
        Err(error) => {
            error!(%error, queue, "cannot consume");
            return;
        }
    };
    let lanes = Lanes::new(context.ports.broker.clone());
    let shard = Shard {
        number,
        context,
        consumer,
        window: Window::new(WINDOW),
        lanes,
        storing: FuturesUnordered::new(),
        deliveries: HashMap::new(),
        outcomes: HashMap::new(),
        by_key: HashMap::new(),
        next: 0,
    };
    shard.run(stop).await;
}

impl Shard {
    async fn run(mut self, stop: CancellationToken) {
        let mut routing = FuturesOrdered::new();
        let most = usize::from(self.context.prefetch);
        while !stop.is_cancelled() {
            let room = routing.len() < most;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                fate = self.lanes.next() => self.settle(fate).await,
                Some(outcome) = self.storing.next() => self.finish_part(outcome).await,
                Some((tag, routed)) = routing.next() => self.accept(tag, routed).await,
                delivery = self.consumer.next(), if room => {
                    let Some(delivery) = delivery else { break };
                    routing.push_back(self.submit(delivery));
                }
            }
        }
        tokio::time::timeout(FAREWELL, self.say_farewell()).await.ok();
    }

    fn submit(&self, delivery: Delivery) -> impl Future<Output = (DeliveryTag, Vec<Routed>)> + use<> {
        let tag = delivery.tag;
        let (meters, begun) = (self.context.recorder.meters().clone(), Instant::now());
        meters.deliveries.add(1);
        meters.redeliveries.add(u64::from(delivery.redelivered));
        let snapshot = self.context.table.snapshot();
        let answer =
            self.context.workers.submit(self.number, delivery, snapshot, self.context.ports.clock.now());
        async move {
            match answer.await {
                Ok(routed) => {
                    meters.records.add(routed.len() as u64);
                    meters.routing.observe(begun.elapsed());
                    (tag, routed)
                }
                // The worker is gone, so the process is ending; without an acknowledgement the delivery comes again.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Finishes what was begun, taking nothing new.
    async fn say_farewell(&mut self) {
        while !(self.lanes.is_idle() && self.storing.is_empty()) {
            tokio::select! {
                fate = self.lanes.next() => self.settle(fate).await,
                Some(outcome) = self.storing.next() => self.finish_part(outcome).await,
            }
        }
    }

    async fn accept(&mut self, tag: DeliveryTag, routed: Vec<Routed>) {
        let delivery = self.number();
        self.deliveries.insert(delivery, (tag, 1));
        for record in routed {
            self.accept_record(delivery, record);
        }
        self.lanes.flush().await;
        // The one that was counted in advance, so that a delivery is not acknowledged half-way.
        self.close(delivery).await;
    }

    fn accept_record(&mut self, delivery: u64, record: Routed) {
        let Routed { key, live, address, effects } = record;
        if let Some(open) = key.and_then(|key| self.by_key.get(&key)).copied() {
            self.wait_for(open, delivery);
            return self.count_duplicate(address.as_ref());
        }
        if key.is_some_and(|key| self.window.contains(&key)) {
            return self.count_duplicate(address.as_ref());
        }
        if let (Some(live), Some(address)) = (&live, &address) {
            live.note(effects.balance, self.context.ports.clock.now());
            self.context.recorder.count(address.flow, &effects.counts);
        }
        if effects.suspects > 0 {
            self.context.recorder.meters().suspects.add(effects.suspects);
        }
        let Effects { sends, dead, tick, runs, parked, answers, spans, .. } = effects;
        for found in parked {
            // Nobody has to read it: then the next run finds it out again.
            self.context.parked.send(found).ok();
        }
        self.context.recorder.record(runs);
        self.context.recorder.trace(spans, self.context.ports.clock.now());
        let stores = usize::from(!dead.is_empty() || tick.is_some());
        let left = sends.len() + stores;
        // A reply is nothing that is stored, so it waits for nothing.
        let (failed, replies): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, answered)| *answered == Answered::Failed && left > 0);
        self.answer(replies);
        if left == 0 {
            if let Some(key) = key {
                self.window.insert(key);
            }
            return;
        }
        let outcome = self.number();
        self.outcomes.insert(outcome, Open { key, left, waiters: Vec::new(), answers: failed });
        self.wait_for(outcome, delivery);
        if let Some(key) = key {
            self.by_key.insert(key, outcome);
        }
        for send in sends {
            self.lanes.push((outcome, send));
        }
        if stores > 0 {
            self.storing.push(Box::pin(store(self.context.ports.clone(), outcome, dead, tick)));
        }
    }

    fn count_duplicate(&self, address: Option<&sluice_domain::StepAddress>) {
        if let Some(address) = address {
            debug!(step.id = %address, "an outcome came again");
            let mut effects = Effects::default();
            effects.count(&address.step, |counters| counters.duplicates += 1);
            self.context.recorder.count(address.flow, &effects.counts);
        }
    }

    fn wait_for(&mut self, outcome: u64, delivery: u64) {
        if let Some(open) = self.outcomes.get_mut(&outcome) {
            open.waiters.push(delivery);
            if let Some((_, left)) = self.deliveries.get_mut(&delivery) {
                *left += 1;
            }
        }
    }

    async fn settle(&mut self, fate: Fate) {
        match fate {
            Fate::Stored(parcels) => {
                for (outcome, _) in parcels {
                    self.finish_part(outcome).await;
                }
            }
            Fate::Refused(parcels) => {
                let due = self.context.ports.clock.now().timestamp_millis() + 1000;
                for parcel in parcels {
                    self.lanes.push(put_off(parcel, due));
                }
            }
        }
        self.lanes.flush().await;
    }

    async fn finish_part(&mut self, outcome: u64) {
        let Some(open) = self.outcomes.get_mut(&outcome) else { return };
        open.left -= 1;
        if open.left > 0 {
            return;
        }
        let Some(open) = self.outcomes.remove(&outcome) else { return };
        if let Some(key) = open.key {
            self.by_key.remove(&key);
            self.window.insert(key);
        }
        self.answer(open.answers);
        for delivery in open.waiters {
            self.close(delivery).await;
        }
    }

    fn answer(&self, answers: Vec<(ExecutionId, Answered)>) {
        for (execution, answered) in answers {
            self.context.replies.answer(execution, answered);
        }
    }

    /// Counts one outcome of a delivery as finished, and acknowledges the delivery after its last.
    async fn close(&mut self, delivery: u64) {
        let Some((tag, left)) = self.deliveries.get_mut(&delivery) else { return };
        *left -= 1;
        if *left > 0 {
            return;
        }
        let tag = *tag;
        self.deliveries.remove(&delivery);
        match self.consumer.ack(tag).await {
            Ok(true) => {}
            Ok(false) => debug!("the connection of a delivery is gone; it comes again and will be skipped"),
            Err(error) => error!(%error, "cannot acknowledge"),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A message whose lane is full goes through the shortest retry tier.
fn put_off((outcome, send): Parcel, due: i64) -> Parcel {
    match send.target {
        Target::Lane(lane) => {
            let record = retry_record(due, lane, send.id, send.record);
            (outcome, Send { target: Target::Retry(Tier::S1), id: send.id, record, company: ALONE })
        }
        Target::Suspects(_) | Target::Invocations(_) | Target::Retry(_) | Target::Router(_) => {
            (outcome, send)
        }
    }
}

/// Commits the effects on the store, however long that takes.
async fn store(ports: Ports, outcome: u64, dead: Vec<DeadLetter>, tick: Option<TickEnd>) -> u64 {
    crate::task::persist("keep dead letters", || ports.store.put_dead_letters(&dead)).await;
    if let Some(tick) = tick {
        let cursor = tick.cursor.as_ref();
        crate::task::persist("end a tick", || ports.store.end_tick(tick.flow, &tick.step, tick.tick, cursor))
            .await;
    }
    outcome
}
