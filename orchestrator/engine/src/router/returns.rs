//! Messages that come back from the broker: retries that are due, and messages that found no lane or were rejected.

use std::sync::Arc;
use std::time::Duration;

use sluice_domain::compiled::CompiledStep;
use sluice_domain::{DeadLetter, DeadLetterState, DeadReason, StepAddress, Tier, topology};
use sluice_ports::Ports;
use sluice_ports::broker::{Delivery, Publish, PublishError, Target};
use sluice_protocol::batch::{self, Encoding};
use sluice_protocol::{Envelope, ErrorInfo, MessageId};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::record::{RETRY, Retry};
use crate::meters::Meters;
use crate::table::Table;

const PREFETCH: u16 = 200;

/// Sends retries that are due to their lanes, and others on to the next tier, until `stop`.
pub(crate) async fn run_due(ports: Ports, table: Arc<Table>, stop: CancellationToken) {
    let Ok(mut consumer) = ports.broker.consume(topology::DUE, PREFETCH).await else { return };
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        for retry in retries(&delivery) {
            forward(&ports, &table, &retry).await;
        }
        if let Err(error) = consumer.ack(delivery.tag).await {
            error!(%error, "cannot acknowledge a retry");
        }
    }
}

fn retries(delivery: &Delivery) -> Vec<Retry> {
    records(delivery)
        .iter()
        .filter_map(|record| match serde_json::from_slice(record) {
            Ok(retry) => Some(retry),
            Err(error) => {
                // Only the router writes to the tiers, so this is another version's record.
                error!(%error, "a retry that is not understood; dropped");
                None
            }
        })
        .collect()
}

fn records(delivery: &Delivery) -> Vec<bytes::Bytes> {
    Encoding::from_header(delivery.content_encoding.as_deref())
        .and_then(|encoding| batch::decode(&delivery.payload, encoding))
        .unwrap_or_default()
}

/// Sends a retry where it belongs now and waits until the broker has it.
async fn forward(ports: &Ports, table: &Table, retry: &Retry) {
    let own = own_lane(table, retry.lane.clone(), retry.envelope.get().as_bytes());
    let placements = table.placements();
    let mut lane = None;
    let mut backoff = Duration::from_millis(100);
    loop {
        let rest = retry.due.saturating_sub(ports.clock.now().timestamp_millis());
        let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(0));
        let message = match Tier::for_rest(rest) {
            None => {
                let now = ports.clock.now().timestamp_millis();
                let lane = lane.get_or_insert_with(|| placements.send(&own, now)).clone();
                publish(Target::Lane(lane), retry.id, retry.envelope.get().as_bytes())
            }
            Some(tier) => tiered(tier, retry),
        };
        match ports.broker.publish(message).await {
            Ok(()) => return,
            Err(PublishError::Refused) => {
                // The lane is full: once more around the shortest tier.
                if lane.take().is_some() {
                    placements.unsend(&own);
                }
                if ports.broker.publish(tiered(Tier::S1, retry)).await.is_ok() {
                    return;
                }
            }
            Err(error) => warn!(%error, "publishing a retry again"),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(2));
    }
}

/// The own lane of the step that the envelope in `record` is for, where it is on its way through a common one.
pub(crate) fn own_lane(table: &Table, lane: topology::LaneName, record: &[u8]) -> topology::LaneName {
    if !lane.is_common() {
        return lane;
    }
    let envelope = serde_json::from_slice::<Envelope>(record).ok();
    envelope.and_then(|envelope| table.snapshot().own_lane(&envelope.step)).unwrap_or(lane)
}

fn tiered(tier: Tier, retry: &Retry) -> Publish {
    let record = serde_json::to_vec(retry).expect("a retry is plain JSON");
    Publish { kind: RETRY, ..publish(Target::Retry(tier), retry.id, &record) }
}

pub(crate) fn publish(target: Target, id: MessageId, record: &[u8]) -> Publish {
    let payload = batch::encode(&[record]);
    Publish {
        target,
        message_id: id.to_string(),
        kind: batch::ENVELOPES,
        encoding: payload.encoding,
        payload: payload.bytes,
    }
}

/// Keeps as dead letters what the broker could not deliver, until `stop`. A lane that a loaded flow needs is declared
/// again instead, and the message goes there.
pub(crate) async fn run_lost(
    queue: &'static str,
    ports: Ports,
    (table, meters): (Arc<Table>, Arc<Meters>),
    stop: CancellationToken,
) {
    let Ok(mut consumer) = ports.broker.consume(queue, PREFETCH).await else { return };
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        if restore_outcomes(&ports, queue, &delivery).await || restore(&ports, &table, queue, &delivery).await
        {
            meters.undelivered_restored.add(1);
        } else {
            let letters: Vec<DeadLetter> =
                records(&delivery).iter().map(|record| letter(&ports, &table, record)).collect();
            warn!(
                queue,
                count = letters.len(),
                "messages that the broker could not deliver are dead letters now"
            );
            crate::task::persist("keep dead letters", || ports.store.put_dead_letters(&letters)).await;
            meters.undelivered_dead.add(letters.len() as u64);
        }
        if let Err(error) = consumer.ack(delivery.tag).await {
            error!(%error, "cannot acknowledge");
        }
    }
}

/// Sends outcomes of our own to their shard again: they came before its queue was declared, in the first moments of a new
/// installation. Those of components have an exchange of theirs, by which the router knows whose they are.
async fn restore_outcomes(ports: &Ports, queue: &str, delivery: &Delivery) -> bool {
    let shard = (0..topology::SHARDS).find(|shard| delivery.routing_key == topology::router_queue(*shard));
    let Some(shard) = shard.filter(|_| queue == topology::UNROUTABLE && delivery.exchange == topology::LANES)
    else {
        return false;
    };
    let records = records(delivery);
    if records.is_empty() {
        return false;
    }
    warn!(shard, "outcomes came before the queue of their shard; sending them again");
    let payload = batch::encode(&records.iter().collect::<Vec<_>>());
    let message = Publish {
        target: Target::Router(shard),
        message_id: MessageId::derive("restored", &delivery.payload).to_string(),
        kind: batch::OUTCOMES,
        encoding: payload.encoding,
        payload: payload.bytes,
    };
    let mut backoff = Duration::from_millis(100);
    // Until it is confirmed: one that arrived all the same is recognised by its id.
    while let Err(error) = ports.broker.publish(message.clone()).await {
        warn!(%error, "cannot send outcomes to their shard; trying on");
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(5));
    }
    true
}

/// Sends a message to its lane again, if that lane should be there.
async fn restore(ports: &Ports, table: &Table, queue: &str, delivery: &Delivery) -> bool {
    let Ok(lane) = delivery.routing_key.parse::<topology::LaneName>() else { return false };
    let snapshot = table.snapshot();
    let through = |step: &CompiledStep| {
        step.lane == lane || (lane.is_common() && step.deployment.id == lane.deployment())
    };
    let expected =
        snapshot.versions.values().any(|live| live.compiled.steps.values().any(|step| through(step)));
    if queue != topology::UNROUTABLE || !expected {
        return false;
    }
    let read: Option<Vec<Retry>> =
        records(delivery).iter().map(|record| due_now(ports, &lane, record)).collect();
    let Some(messages) = read else { return false };
    warn!(%lane, "the lane of a message was gone; declaring it again");
    for message in &messages {
        let own = own_lane(table, lane.clone(), message.envelope.get().as_bytes());
        let lane = table.placements().lane(&own);
        crate::task::persist("declare a lane", || ports.broker.declare_lane(&lane)).await;
        // It was counted when it was sent first.
        table.placements().unsend(&own);
        // Not given up when it is not confirmed or the lane is full: it may be in the lane by then, or fit in later.
        forward(ports, table, message).await;
    }
    true
}

/// A record of a lane as a retry that is due; nothing when it is none of ours.
fn due_now(ports: &Ports, lane: &topology::LaneName, record: &[u8]) -> Option<Retry> {
    let id = serde_json::from_slice::<Envelope>(record).ok()?.id;
    let envelope = serde_json::from_slice(record).ok()?;
    Some(Retry { due: ports.clock.now().timestamp_millis(), lane: lane.clone(), id, envelope })
}

fn letter(ports: &Ports, table: &Table, record: &[u8]) -> DeadLetter {
    let now = ports.clock.now();
    let error =
        ErrorInfo::new("undeliverable", "the broker could not deliver the message to its step", false);
    let envelope = serde_json::from_slice::<Envelope>(record).ok();
    let message = envelope.as_ref().map_or_else(|| MessageId::derive("lost", record), |envelope| envelope.id);
    let attempts = envelope.as_ref().map_or(0, |envelope| envelope.attempt);
    let step = envelope.as_ref().and_then(|envelope| StepAddress::try_from(&envelope.step).ok());
    if let Some(live) = step.as_ref().and_then(|step| table.snapshot().version_of(step).cloned()) {
        live.note(-1, now);
    }
    DeadLetter {
        id: DeadLetter::id_of(message, attempts, 0),
        message,
        execution: envelope.as_ref().and_then(|envelope| envelope.execution),
        step,
        reason: DeadReason::Unroutable,
        error,
        attempts,
        suspected: 0,
        exit: None,
        body: match &envelope {
            Some(envelope) => envelope.body.get().to_owned(),
            None => serde_json::to_string(&String::from_utf8_lossy(record)).unwrap_or_default(),
        },
        headers: envelope.as_ref().map(|envelope| envelope.headers.clone()).unwrap_or_default(),
        context: envelope.and_then(|envelope| envelope.context).map(|raw| raw.get().to_owned()),
        state: DeadLetterState::Waiting,
        redrives: 0,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests;
