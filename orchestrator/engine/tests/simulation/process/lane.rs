//! A lane: takes deliveries apart, runs each record once, answers with its outcome, and acknowledges after the confirm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use sluice_domain::StepAddress;
use sluice_ports::broker::{Consumer, Delivery, DeliveryTag};
use sluice_protocol::batch::{self, Encoding};
use sluice_protocol::gateway::Assignment;
use sluice_protocol::{Envelope, ErrorInfo, Headers, Outcome, Output, Retained, Status};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::window::{Admission, key};
use super::{PREFETCH, Process};
use crate::deeds::Deed;

/// A delivery that is acknowledged after the last of its records.
pub(super) struct Ticket {
    tag: DeliveryTag,
    left: AtomicUsize,
    acks: mpsc::UnboundedSender<DeliveryTag>,
}

impl Ticket {
    fn settle(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.acks.send(self.tag).ok();
        }
    }
}

pub(super) async fn run(process: &Arc<Process>, queue: &str, stop: &CancellationToken) {
    let alone = queue == sluice_domain::topology::suspects_queue(process.deployment);
    let prefetch = if alone { 1 } else { PREFETCH };
    let mut consumer = loop {
        match ports(process).consume(queue, prefetch).await {
            Ok(consumer) => break consumer,
            Err(_) if stop.is_cancelled() => return,
            Err(_) => process.pause(200).await,
        }
    };
    let (tickets, mut acks) = mpsc::unbounded_channel();
    // Only what comes by the first subscription can be what a process before this one held.
    let mut heritage = prefetch;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(tag) = acks.recv() => settle(&mut *consumer, tag).await,
            delivery = consumer.next() => {
                let Some(delivery) = delivery else { return };
                take(process, &delivery, &mut heritage, &tickets);
            }
        }
    }
    // What had arrived is answered for, too.
    while let Some(Some(delivery)) = consumer.next().now_or_never() {
        take(process, &delivery, &mut heritage, &tickets);
    }
    drop(tickets);
    while let Some(tag) = acks.recv().await {
        settle(&mut *consumer, tag).await;
    }
}

fn ports(process: &Process) -> &dyn sluice_ports::broker::Broker {
    &process.client
}

async fn settle(consumer: &mut dyn Consumer, tag: DeliveryTag) {
    // Whatever goes wrong, the delivery comes again.
    consumer.ack(tag).await.ok();
}

fn take(
    process: &Arc<Process>,
    delivery: &Delivery,
    heritage: &mut u16,
    acks: &mpsc::UnboundedSender<DeliveryTag>,
) {
    if delivery.tag.generation > 1 {
        *heritage = 0;
    }
    let inherited = delivery.redelivered && *heritage > 0;
    *heritage -= u16::from(inherited);
    let encoding = Encoding::from_header(delivery.content_encoding.as_deref()).expect("one of ours");
    let records = batch::decode(&delivery.payload, encoding).expect("the router writes batches");
    let left = AtomicUsize::new(records.len());
    let ticket = Arc::new(Ticket { tag: delivery.tag, left, acks: acks.clone() });
    for record in records {
        let envelope: Envelope = serde_json::from_slice(&record).expect("the router writes envelopes");
        let admission = process.window.admit(key(&envelope), delivery.redelivered, &ticket);
        let runner = process.clone();
        match admission {
            Admission::Attached => {}
            Admission::Finished => ticket.settle(),
            Admission::Suspect if inherited => {
                process.spawn(async move {
                    let outcome = give_back(&envelope, Status::Suspect, None);
                    finish(&runner, &envelope, vec![outcome]).await;
                });
            }
            Admission::Run | Admission::Suspect => {
                process.spawn(async move { work(&runner, envelope).await });
            }
        }
    }
}

/// Runs a record when it is its turn.
async fn work(process: &Arc<Process>, envelope: Envelope) {
    let Some(assignment) = assignment(process, &envelope).await else {
        let error = ErrorInfo::new("unknown_step", "the component was not told to serve this step", false);
        let outcome = give_back(&envelope, Status::Error, Some(error));
        return finish(process, &envelope, vec![outcome]).await;
    };
    let place = {
        let mut places = process.places.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let most = usize::try_from(assignment.concurrency).unwrap_or(1);
        places.entry(envelope.step.clone()).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
    };
    let drained = tokio::select! {
        biased;
        () = process.stop.cancelled() => None,
        place = place.acquire() => Some(place.expect("it is never closed")),
    };
    let Some(_place) = drained else {
        let error = ErrorInfo::new("drained", "the component ended before this input began", true);
        let outcome = give_back(&envelope, Status::Rebound, Some(error));
        return finish(process, &envelope, vec![outcome]).await;
    };
    let deed = process.world.plan.temper.deed(envelope.id, envelope.attempt);
    process.world.observer.ran(&envelope);
    let takes = process.world.plan.temper.takes(&mut process.dice());
    let outcomes = match deed {
        Deed::Emit { outputs, streams } => {
            process.pause(takes.min(assignment.timeout_ms - 1)).await;
            succeed(&envelope, &outputs, streams)
        }
        Deed::Fail(error) => vec![give_back(&envelope, Status::Error, Some(error))],
        Deed::Rebound(error) => vec![give_back(&envelope, Status::Rebound, Some(error))],
        Deed::Hang => {
            tokio::time::sleep(Duration::from_millis(assignment.timeout_ms)).await;
            vec![give_back(&envelope, Status::Error, Some(timeout()))]
        }
        Deed::Crash => {
            process.crashed.notify_one();
            return std::future::pending().await;
        }
    };
    finish(process, &envelope, outcomes).await;
}

/// The error of a run that took too long.
pub(crate) fn timeout() -> ErrorInfo {
    ErrorInfo::new("timeout", "the function took longer than the step's timeout", true)
}

/// The assignment of a record's step, which may come a moment later than the record.
async fn assignment(process: &Process, envelope: &Envelope) -> Option<Assignment> {
    for _ in 0..200 {
        if let Some(found) = process.steps().get(&envelope.step).cloned() {
            return Some(found);
        }
        process.pause(100).await;
    }
    None
}

fn succeed(
    envelope: &Envelope,
    outputs: &[(&'static str, serde_json::Value)],
    streams: bool,
) -> Vec<Outcome> {
    let outputs = outputs.iter().map(|(port, body)| Output {
        port: port.parse().expect("a port"),
        body: serde_json::value::to_raw_value(body).expect("a value is plain JSON"),
        headers: Headers::new(),
    });
    let mut outputs: Vec<Output> = outputs.collect();
    let rest = if streams && outputs.len() > 1 { outputs.split_off(1) } else { Vec::new() };
    if rest.is_empty() {
        return vec![Outcome { outputs, ..answer(envelope, Status::Ok) }];
    }
    vec![
        Outcome { outputs, ..answer(envelope, Status::Partial) },
        Outcome { outputs: rest, offset: 1, ..answer(envelope, Status::Ok) },
    ]
}

fn give_back(envelope: &Envelope, status: Status, error: Option<ErrorInfo>) -> Outcome {
    let retained = Retained { body: envelope.body.clone(), headers: envelope.headers.clone() };
    Outcome { error, retained: Some(retained), ..answer(envelope, status) }
}

fn answer(envelope: &Envelope, status: Status) -> Outcome {
    Outcome {
        input: envelope.id,
        step: envelope.step.clone(),
        execution: envelope.execution,
        attempt: envelope.attempt,
        suspected: envelope.suspected,
        status,
        outputs: Vec::new(),
        offset: 0,
        error: None,
        state: None,
        context: envelope.context.clone(),
        micros: 1,
        traceparent: None,
        retained: None,
    }
}

/// Publishes the outcomes of a record one after the other, then settles its deliveries.
async fn finish(process: &Arc<Process>, envelope: &Envelope, outcomes: Vec<Outcome>) {
    let address = StepAddress::try_from(&envelope.step).expect("the router writes addresses");
    let success = outcomes.last().is_some_and(|last| last.status == Status::Ok);
    for outcome in &outcomes {
        if process.publisher.store(address.flow.shard(), outcome).await.is_err() {
            return;
        }
    }
    for ticket in process.window.finish(key(envelope), success) {
        ticket.settle();
    }
}
