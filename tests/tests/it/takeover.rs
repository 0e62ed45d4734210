//! A component's broker user in hostile hands: it reaches its own deployment and nothing else, and is gone with the container.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use serde_json::json;
use sluice_tests::{World, eventually};

const FLOWS: &str = "
sluice: 1
kind: template
name: one
version: 1.0.0
steps:
  - { id: tick, use: timer/tick, schedule: { every: 1s } }
  - { id: note, use: log/write }
";
const PASSWORD: &str = "taken-over";

/// A broker user of a component, whose password is known now.
struct Taken {
    url: String,
    user: String,
    deployment: String,
    connection: Connection,
}

impl Taken {
    /// Takes over the user whose rights name this deployment: as somebody would who read its password in its memory.
    async fn over(world: &World, deployment: &str) -> Result<Self> {
        let user = user_of(world, deployment).await?;
        let password = json!({ "password": PASSWORD, "tags": "" }).to_string();
        world.broker.call("PUT", &["users", &user], Some(&password)).await?;
        let (host, port, ..) = world.broker.parts();
        let url = format!("amqp://{user}:{PASSWORD}@{host}:{port}/{}", world.broker.vhost());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        Ok(Self { url, user, deployment: deployment.to_owned(), connection })
    }

    /// A channel with confirms: a refusal ends a channel, so each attempt has one of its own.
    async fn channel(&self) -> Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}

async fn user_of(world: &World, deployment: &str) -> Result<String> {
    for user in world.broker.users(&format!("sluice-{}-", world.name)).await? {
        let rights = world.broker.call("GET", &["users", &user, "permissions"], None).await?;
        if rights[0]["write"].as_str().is_some_and(|pattern| pattern.contains(deployment)) {
            return Ok(user);
        }
    }
    bail!("no broker user of {deployment}")
}

/// The deployment of a component.
async fn deployment(world: &World, component: &str) -> Result<String> {
    world.container(component).await?;
    let list = world.api.get("/api/v1/deployments").await?;
    let found = list["items"].as_array().into_iter().flatten().find(|one| one["component"] == component);
    Ok(found.and_then(|one| one["id"].as_str()).context("no deployment")?.to_owned())
}

/// Whether the broker refused: with ACCESS_REFUSED, by which it ends the channel.
fn refused<T>(what: &str, result: lapin::Result<T>) -> Result<()> {
    let Err(error) = result else { bail!("{what} was not refused") };
    let told = format!("{error:?}");
    let denied = matches!(error.kind(), ErrorKind::ProtocolError(one) if one.get_id() == 403);
    ensure!(denied || told.contains("ACCESS") || told.contains("403"), "{what}: {told}");
    Ok(())
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    properties: BasicProperties,
) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, b"{}\n", properties).await?.await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_over_user_reaches_its_own_deployment_and_nothing_else() -> Result<()> {
    let world = World::start("takeover", &["timer", "log"]).await?;
    world.api.apply(FLOWS, json!({})).await?;
    world.running("one").await?;
    let (own, other) = (deployment(&world, "timer").await?, deployment(&world, "log").await?);
    let taken = Taken::over(&world, &own).await?;
    let lanes: Vec<String> = world.broker.queues().await?;
    let lane = lanes.iter().find(|name| name.contains(&other)).context("no lane of another")?.clone();
    for queue in [&lane, "v1.router.00", "v1.dead", "v1.due", "v1.unroutable"] {
        reads_nothing(&taken, queue).await?;
    }
    writes_nothing(&taken, &lane, &other).await?;
    makes_nothing(&taken, &lane).await?;
    copies_to_nobody(&world, &taken).await?;
    acknowledges_nothing_of_others(&taken).await?;
    has_bounds(&taken).await?;
    // Its own is open: what was refused was refused for what it was.
    let channel = taken.channel().await?;
    // Whichever shard the flow is of: what is no outcome stops none of them.
    for shard in 0..16 {
        let key = format!("{shard:02}");
        publish(&channel, &format!("v1.x.{own}"), &key, BasicProperties::default()).await?;
    }
    ends_with_its_container(&world, taken).await?;
    world.stop().await
}

async fn reads_nothing(taken: &Taken, queue: &str) -> Result<()> {
    let what = |deed: &str| format!("{deed} {queue}");
    let channel = taken.channel().await?;
    let options = BasicConsumeOptions::default();
    refused(
        &what("consume"),
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await,
    )?;
    let channel = taken.channel().await?;
    refused(&what("get"), channel.basic_get(queue.into(), BasicGetOptions::default()).await)?;
    let channel = taken.channel().await?;
    refused(&what("purge"), channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await)?;
    let channel = taken.channel().await?;
    refused(&what("delete"), channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await)?;
    let channel = taken.channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    refused(&what("declare"), channel.queue_declare(queue.into(), durable, FieldTable::default()).await)
}

async fn writes_nothing(taken: &Taken, lane: &str, other: &str) -> Result<()> {
    let user = BasicProperties::default;
    for (exchange, key) in [
        // By the default exchange a message reaches any queue by its name.
        ("", lane),
        ("", "v1.router.00"),
        // Where consumers without a queue wait for answers.
        ("", "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA"),
        ("v1.lanes", lane),
        ("v1.unroutable", ""),
        ("amq.direct", lane),
        ("amq.topic", "#"),
        (&format!("v1.x.{other}"), "00"),
    ] {
        let channel = taken.channel().await?;
        refused(&format!("publish to `{exchange}`"), publish(&channel, exchange, key, user()).await)?;
    }
    // In the name of another user, which the broker checks (PRECONDITION_FAILED).
    let channel = taken.channel().await?;
    let own = format!("v1.x.{}", taken.deployment);
    let posed = publish(&channel, &own, "00", user().with_user_id(ShortString::from("guest"))).await;
    ensure!(posed.is_err(), "a message in the name of another user was taken");
    Ok(())
}

async fn makes_nothing(taken: &Taken, lane: &str) -> Result<()> {
    let table = FieldTable::default;
    for name in ["mine", "", "v1.q.mine", "amq.gen-mine"] {
        let channel = taken.channel().await?;
        let made = channel.queue_declare(name.into(), QueueDeclareOptions::default(), table()).await;
        refused(&format!("a queue `{name}`"), made)?;
        let channel = taken.channel().await?;
        let options = ExchangeDeclareOptions::default();
        let made = channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, table()).await;
        refused(&format!("an exchange `{name}`"), made)?;
    }
    let own = format!("v1.x.{}", taken.deployment);
    let channel = taken.channel().await?;
    let gone = channel.exchange_delete(own.as_str().into(), ExchangeDeleteOptions::default()).await;
    refused("deleting its own exchange", gone)?;
    let channel = taken.channel().await?;
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(lane.into(), own.as_str().into(), "00".into(), options, table()).await;
    refused("binding the lane of another", bound)?;
    let channel = taken.channel().await?;
    let options = ExchangeBindOptions::default();
    let bound =
        channel.exchange_bind(own.as_str().into(), "v1.lanes".into(), "#".into(), options, table()).await;
    refused("binding its exchange to another", bound)
}

/// A sender may name more routing keys in headers. They are those of the exchange that it may write to, and name no queues.
async fn copies_to_nobody(world: &World, taken: &Taken) -> Result<()> {
    let admin = world.broker.connect().await?;
    admin.queue("bystander", None).await?;
    let own = format!("v1.x.{}", taken.deployment);
    for header in ["CC", "BCC"] {
        let keys = FieldArray::from(vec![AMQPValue::LongString("bystander".into())]);
        let mut headers = FieldTable::default();
        headers.insert(header.into(), AMQPValue::FieldArray(keys));
        let properties = BasicProperties::default().with_headers(headers);
        publish(&taken.channel().await?, &own, "00", properties).await?;
    }
    ensure!(admin.depth("bystander").await? == 0, "a copy went past the exchange");
    admin.publish_all("", "bystander", &[("one".to_owned(), b"{}".to_vec())]).await?;
    ensure!(admin.depth("bystander").await? == 1, "what is meant for it arrives");
    admin.close().await
}

/// An acknowledgement of what was never delivered ends its channel.
async fn acknowledges_nothing_of_others(taken: &Taken) -> Result<()> {
    let channel = taken.channel().await?;
    // The broker answers by closing the channel, which the next request meets.
    channel.basic_ack(1, BasicAckOptions::default()).await.ok();
    let own = format!("v1.x.{}", taken.deployment);
    let next = publish(&channel, &own, "00", BasicProperties::default()).await;
    ensure!(next.is_err(), "the channel goes on");
    Ok(())
}

/// The broker allows a user four connections, of which the container has some.
async fn has_bounds(taken: &Taken) -> Result<()> {
    let mut open = Vec::new();
    for _ in 0..10 {
        match Connection::connect(&taken.url, ConnectionProperties::default()).await {
            Ok(connection) => open.push(connection),
            Err(_) => break,
        }
    }
    ensure!(open.len() <= 3, "{} connections besides the first", open.len());
    for connection in open {
        connection.close(200, "done".into()).await?;
    }
    Ok(())
}

/// When its flow goes, so do the user and its connections.
async fn ends_with_its_container(world: &World, taken: Taken) -> Result<()> {
    world.api.call("DELETE", "/api/v1/flows/one", None).await?;
    eventually("the user to be gone", Duration::from_secs(120), || async {
        let users = world.broker.users(&taken.user).await?;
        Ok(users.is_empty().then_some(()))
    })
    .await?;
    eventually("the connections to be closed", Duration::from_secs(120), || async {
        Ok((!taken.connection.status().connected()).then_some(()))
    })
    .await?;
    let again = Connection::connect(&taken.url, ConnectionProperties::default()).await;
    ensure!(again.is_err(), "a deleted user connects");
    Ok(())
}
