//! The loop of one router queue.
//!
//! Invariant: a delivery is acknowledged only after every message that follows from it is confirmed by the broker and
//! every effect on the store is committed. An outcome that comes again while the first one is still being finished
//! waits for it; one that was finished is skipped. The outcomes of one delivery are finished together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use sluice_domain::{DeadLetter, FlowId, StepAddress, StepCounters, StepId, Tier, topology};
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag, Target};
use sluice_ports::{Ports, failpoint};
use sluice_protocol::ExecutionId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::effects::{ALONE, Effects, Parked, Send, TickEnd, counters};
use super::emitted::Emitted;
use super::failure::retry_record;
use super::lanes::{Fate, Lanes, Parcel};
use super::returns;
use super::window::{Key, Window};
use super::worker::{Routed, Workers};
use crate::recorder::Recorder;
use crate::replies::{Answered, Replies};
use crate::table::{LiveFlow, Table};

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
    emitted: Emitted,
    lanes: Lanes,
    storing: FuturesUnordered<BoxFuture<'static, u64>>,
    /// Deliveries that are not acknowledged.
    deliveries: HashMap<u64, Open>,
    /// Where an outcome that comes again finds the delivery whose outcomes are being finished.
    by_key: HashMap<Key, u64>,
    next: u64,
}

/// A delivery that is not acknowledged. Its outcomes are finished together.
struct Open {
    tag: DeliveryTag,
    /// The outcomes that are being finished.
    keys: Vec<Key>,
    /// Sends and store operations that are outstanding.
    left: usize,
    /// Earlier deliveries with outcomes that this one brought again, which are not finished.
    awaits: usize,
    /// Later deliveries that wait for this one for that reason.
    waiters: Vec<u64>,
    /// What whoever asked learns once all is stored: who is told of a dead letter finds it.
    answers: Vec<(ExecutionId, Answered)>,
}

impl Open {
    fn new(tag: DeliveryTag) -> Self {
        // One in advance, so that nothing is finished half-way.
        Self { tag, keys: Vec::new(), left: 1, awaits: 0, waiters: Vec::new(), answers: Vec::new() }
    }
}

/// Counts of a delivery, by flow.
type Counts = Vec<(FlowId, Vec<(StepId, StepCounters)>)>;

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
        emitted: Emitted::default(),
        lanes,
        storing: FuturesUnordered::new(),
        deliveries: HashMap::new(),
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
                Some(delivery) = self.storing.next() => self.finish(delivery, 1).await,
                Some((tag, routed)) = routing.next() => self.accept(tag, routed).await,
                delivery = self.consumer.next(), if room => {
                    let Some(delivery) = delivery else { break };
                    failpoint::pass("router_after_consume").await;
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
                biased;
                fate = self.lanes.next() => self.settle(fate).await,
                Some(delivery) = self.storing.next() => self.finish(delivery, 1).await,
            }
        }
    }

    async fn accept(&mut self, tag: DeliveryTag, routed: Vec<Routed>) {
        failpoint::pass("router_after_route").await;
        self.next += 1;
        let number = self.next;
        let (mut open, mut counts) = (Open::new(tag), Counts::new());
        // One time for all of them: a look at the clock costs more than the books of a record.
        let now = self.context.ports.clock.now();
        for record in routed {
            self.accept_record((number, &mut open), record, &mut counts, now);
        }
        for (flow, counts) in counts {
            self.context.recorder.count(flow, &counts);
        }
        self.deliveries.insert(number, open);
        self.lanes.flush().await;
        self.finish(number, 1).await;
    }

    fn accept_record(
        &mut self,
        (number, open): (u64, &mut Open),
        record: Routed,
        counts: &mut Counts,
        now: DateTime<Utc>,
    ) {
        let Routed { key, live, address, effects } = record;
        let known = key.and_then(|key| self.by_key.get(&key)).copied();
        if let Some(earlier) = known.and_then(|earlier| self.deliveries.get_mut(&earlier)) {
            earlier.waiters.push(number);
            open.awaits += 1;
        }
        // One that came twice in one delivery is finished with it.
        if known.is_some() || key.is_some_and(|key| self.window.contains(&key)) {
            if let Some(address) = address {
                debug!(step.id = %address, "an outcome came again");
                counters(of_flow(counts, address.flow), &address.step).duplicates += 1;
            }
            return;
        }
        if let (Some(live), Some(address)) = (&live, &address) {
            live.note(effects.balance, now);
            self.note_end(live, address, &effects, now);
            for (step, more) in &effects.counts {
                counters(of_flow(counts, address.flow), step).add(more);
            }
        }
        if effects.suspects > 0 {
            self.context.recorder.meters().suspects.add(effects.suspects);
        }
        let Effects { sends, dead, tick, mut runs, parked, answers, spans, emitted, .. } = effects;
        for found in parked {
            // Nobody has to read it: then the next run finds it out again.
            self.context.parked.send(found).ok();
        }
        if let Some(part) = emitted
            && let Some(all) = self.emitted.take(&part)
            && let Some(run) = runs.iter_mut().find(|run| run.id == part.input)
        {
            run.output = Some(all);
        }
        self.context.recorder.record(runs);
        self.context.recorder.trace(spans, now);
        let stores = usize::from(!dead.is_empty() || tick.is_some());
        let left = sends.len() + stores;
        // A reply is nothing that is stored, so it waits for nothing.
        let (failed, replies): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, answered)| *answered == Answered::Failed && left > 0);
        self.answer(replies);
        open.left += left;
        open.answers.extend(failed);
        if let Some(key) = key {
            if left == 0 {
                self.window.insert(key);
            } else {
                open.keys.push(key);
                self.by_key.insert(key, number);
            }
        }
        for send in sends {
            self.lanes.push((number, self.placed(send, now)));
        }
        if stores > 0 {
            self.storing.push(Box::pin(store(self.context.ports.clone(), number, dead, tick)));
        }
    }

    async fn settle(&mut self, fate: Fate) {
        match fate {
            Fate::Stored(parcels) => {
                // Most messages of a publish follow from one delivery.
                for same in parcels.chunk_by(|one, other| one.0 == other.0) {
                    self.finish(same[0].0, same.len()).await;
                }
            }
            Fate::Refused(parcels) => {
                let due = self.context.ports.clock.now().timestamp_millis() + 1000;
                for parcel in parcels {
                    let parcel = self.put_off(parcel, due);
                    self.lanes.push(parcel);
                }
            }
        }
        self.lanes.flush().await;
    }

    /// Takes `parts` of what follows from a delivery as done. After the last its outcomes are finished.
    async fn finish(&mut self, number: u64, parts: usize) {
        let Some(open) = self.deliveries.get_mut(&number) else { return };
        open.left -= parts;
        if open.left > 0 {
            return;
        }
        for key in std::mem::take(&mut open.keys) {
            self.by_key.remove(&key);
            self.window.insert(key);
        }
        let (answers, waiters) = (std::mem::take(&mut open.answers), std::mem::take(&mut open.waiters));
        self.answer(answers);
        self.acknowledge(number).await;
        for waiter in waiters {
            if let Some(open) = self.deliveries.get_mut(&waiter) {
                open.awaits -= 1;
                self.acknowledge(waiter).await;
            }
        }
    }

    /// Notes that a run came to its end, for the lane of its step.
    fn note_end(&self, live: &LiveFlow, address: &StepAddress, effects: &Effects, now: DateTime<Utc>) {
        let table = &self.context.table;
        let step = live.compiled.steps.get(&address.step);
        if let Some((micros, step)) = effects.ended.zip(step)
            && table.placements().ended(&step.lane, micros, now.timestamp_millis())
        {
            table.tell();
        }
    }

    /// The message with the lane that carries the inputs of its step now.
    fn placed(&self, mut send: Send, now: DateTime<Utc>) -> Send {
        if let Target::Lane(lane) = &mut send.target {
            *lane = self.context.table.placements().send(lane, now.timestamp_millis());
        }
        send
    }

    /// A message whose lane is full goes through the shortest retry tier.
    fn put_off(&self, (delivery, send): Parcel, due: i64) -> Parcel {
        let Target::Lane(lane) = send.target else { return (delivery, send) };
        let own = returns::own_lane(&self.context.table, lane, &send.record);
        self.context.table.placements().unsend(&own);
        let record = retry_record(due, own, send.id, send.record);
        (delivery, Send { target: Target::Retry(Tier::S1), id: send.id, record, company: ALONE })
    }

    fn answer(&self, answers: Vec<(ExecutionId, Answered)>) {
        for (execution, answered) in answers {
            self.context.replies.answer(execution, answered);
        }
    }

    /// Acknowledges a delivery, if all that follows from it is done.
    async fn acknowledge(&mut self, number: u64) {
        if !self.deliveries.get(&number).is_some_and(|open| open.left == 0 && open.awaits == 0) {
            return;
        }
        let Some(open) = self.deliveries.remove(&number) else { return };
        failpoint::pass("router_before_ack").await;
        match self.consumer.ack(open.tag).await {
            Ok(true) => {}
            Ok(false) => debug!("the connection of a delivery is gone; it comes again and will be skipped"),
            Err(error) => error!(%error, "cannot acknowledge"),
        }
        failpoint::pass("router_after_ack").await;
    }
}

/// The counts of a flow within a delivery.
fn of_flow(counts: &mut Counts, flow: FlowId) -> &mut Vec<(StepId, StepCounters)> {
    let at = counts.iter().position(|(known, _)| *known == flow).unwrap_or_else(|| {
        counts.push((flow, Vec::new()));
        counts.len() - 1
    });
    &mut counts[at].1
}

/// Commits the effects on the store, however long that takes.
async fn store(ports: Ports, delivery: u64, dead: Vec<DeadLetter>, tick: Option<TickEnd>) -> u64 {
    let (store, dead) = (&ports.store, &dead);
    let keep = move || async move {
        failpoint::reach("dead_letters_before_store").await?;
        store.put_dead_letters(dead).await?;
        failpoint::reach("dead_letters_after_store").await
    };
    crate::task::persist("keep dead letters", keep).await;
    if let Some(tick) = tick {
        let tick = &tick;
        let end = move || async move {
            failpoint::reach("tick_before_end").await?;
            store.end_tick(tick.flow, &tick.step, tick.tick, tick.cursor.as_ref()).await?;
            failpoint::reach("tick_after_end").await
        };
        crate::task::persist("end a tick", end).await;
    }
    delivery
}
