//! Declaring the objects that `domain::topology` names.

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use sluice_domain::topology::{self, LaneName, SHARDS};
use sluice_domain::{DeploymentId, Tier};
use sluice_ports::failpoint;

use crate::config::QueueType;

/// Most messages (batches) of a lane. Past it the router puts messages into a retry tier.
const LANE_MESSAGES: i64 = 20_000;
/// Most bytes of a lane: 512 MiB.
const LANE_BYTES: i64 = 512 << 20;
/// Most bytes of a router queue: 512 MiB. Past it components wait with their outcomes.
const ROUTER_BYTES: i64 = 512 << 20;

/// Declares what every installation has.
pub(crate) async fn declare_base(channel: &Channel, queues: QueueType) -> Result<(), lapin::Error> {
    let fanout = ExchangeKind::Fanout;
    exchange(channel, topology::UNROUTABLE, fanout, FieldTable::default()).await?;
    queue(channel, topology::UNROUTABLE, arguments(queues, &[])).await?;
    let options = QueueBindOptions::default();
    let (name, none) = (topology::UNROUTABLE, FieldTable::default());
    channel.queue_bind(name.into(), name.into(), "".into(), options, none).await?;
    // Only now: as long as nothing is bound behind it, the broker confirms what has no lane and throws it away.
    exchange(channel, topology::LANES, ExchangeKind::Direct, alternate()).await?;
    for shard in 0..SHARDS {
        let bounds = [
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ("x-overflow", text("reject-publish")),
            ("x-max-length-bytes", AMQPValue::LongLongInt(ROUTER_BYTES)),
        ];
        lane(channel, &topology::router_queue(shard), arguments(queues, &bounds)).await?;
    }
    for tier in Tier::ALL {
        let stay = i64::try_from(tier.stay().as_millis()).unwrap_or(i64::MAX);
        let stay = [
            ("x-message-ttl", AMQPValue::LongLongInt(stay)),
            ("x-dead-letter-exchange", text(topology::LANES)),
            ("x-dead-letter-routing-key", text(topology::DUE)),
        ];
        lane(channel, &topology::retry_queue(tier), arguments(queues, &stay)).await?;
    }
    let single = [("x-single-active-consumer", AMQPValue::Boolean(true))];
    lane(channel, topology::DUE, arguments(queues, &single)).await?;
    lane(channel, topology::DEAD, arguments(queues, &single)).await
}

/// Declares the exchange of a deployment and its queues of suspects and invocations.
pub(crate) async fn declare_deployment(
    channel: &Channel,
    deployment: DeploymentId,
    queues: QueueType,
) -> Result<(), lapin::Error> {
    let name = topology::exchange(deployment);
    exchange(channel, &name, ExchangeKind::Direct, alternate()).await?;
    reached("declare_after_exchange").await?;
    for shard in 0..SHARDS {
        let (queue, key) = (topology::router_queue(shard), topology::routing_key(shard));
        let options = QueueBindOptions::default();
        let none = FieldTable::default();
        channel
            .queue_bind(queue.as_str().into(), name.as_str().into(), key.as_str().into(), options, none)
            .await?;
    }
    lane(channel, &topology::suspects_queue(deployment), lane_arguments(queues)).await?;
    lane(channel, &topology::invocations_queue(deployment), lane_arguments(queues)).await
}

/// Declares a lane.
pub(crate) async fn declare_lane(
    channel: &Channel,
    name: &LaneName,
    queues: QueueType,
) -> Result<(), lapin::Error> {
    reached("declare_before_lane").await?;
    lane(channel, name.as_str(), lane_arguments(queues)).await
}

/// Deletes a queue that is empty and unused; `false` when it is neither.
pub(crate) async fn delete_if_idle(channel: &Channel, name: &str) -> Result<bool, lapin::Error> {
    let options = QueueDeleteOptions { if_unused: true, if_empty: true, nowait: false };
    match channel.queue_delete(name.into(), options).await {
        Ok(_) => Ok(true),
        Err(error) if reply_code(&error) == Some(406) => Ok(false),
        Err(error) if reply_code(&error) == Some(404) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Throws away what waits in a queue, if there is one.
pub(crate) async fn purge(channel: &Channel, name: &str) -> Result<u32, lapin::Error> {
    match channel.queue_purge(name.into(), QueuePurgeOptions::default()).await {
        Err(error) if reply_code(&error) == Some(404) => Ok(0),
        purged => purged,
    }
}

/// Deletes the exchange of a deployment.
pub(crate) async fn delete_exchange(channel: &Channel, deployment: DeploymentId) -> Result<(), lapin::Error> {
    let name = topology::exchange(deployment);
    channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await
}

/// The reply code of a channel error.
pub(crate) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

fn lane_arguments(queues: QueueType) -> FieldTable {
    let bounds = [
        ("x-overflow", text("reject-publish")),
        ("x-max-length", AMQPValue::LongLongInt(LANE_MESSAGES)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(LANE_BYTES)),
        ("x-dead-letter-exchange", text(topology::LANES)),
        ("x-dead-letter-routing-key", text(topology::DEAD)),
    ];
    arguments(queues, &bounds)
}

fn arguments(queues: QueueType, more: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    let kind = match queues {
        QueueType::Classic => "classic",
        QueueType::Quorum => "quorum",
    };
    table.insert("x-queue-type".into(), text(kind));
    for (key, value) in more {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn alternate() -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("alternate-exchange".into(), text(topology::UNROUTABLE));
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
    table: FieldTable,
) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), kind, options, table).await
}

async fn queue(channel: &Channel, name: &str, table: FieldTable) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, table).await.map(|_| ())
}

/// Declares a queue that the lanes exchange reaches by the queue's own name.
async fn lane(channel: &Channel, name: &str, table: FieldTable) -> Result<(), lapin::Error> {
    queue(channel, name, table).await?;
    reached("declare_between_queue_and_binding").await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(name.into(), topology::LANES.into(), name.into(), options, FieldTable::default()).await
}

/// A point at which tests end, fail or delay the process, its error as one of the connection.
async fn reached(point: &'static str) -> Result<(), lapin::Error> {
    failpoint::reach(point).await.map_err(|error| std::io::Error::other(error).into())
}
