//! Workloads that measuring programs and tests share: orders of about 1 KiB through listener, mapping and sink, and ticks.

use serde_json::{Value, json};

use anyhow::Result;

use crate::{Amqp, World};

/// Where the orders come from and where they end, on the virtual host of the world.
pub const SOURCE: &str = "source";
/// See [`SOURCE`].
pub const SINK: &str = "sink";
/// The name of the flow from one to the other.
pub const FLOW: &str = "bench";

const TEMPLATE: &str = r#"
---
sluice: 1
kind: template
name: bench
version: 1.0.0
instances:
  shop: { connector: rabbitmq }
steps:
  - id: listen
    use: shop/listen
    config: { queue: source, prefetch: 2000 }
  - id: sink
    use: shop/publish
    input:
      id: $.body.id
      first: $.body.customer.first
      name: = body.customer.first & ' ' & body.customer.last
      total: = $sum(body.lines.(quantity * price))
      lines: "= body.lines.{ 'sku': sku, 'amount': quantity * price }"
      sent: $.body.sent
    config: { exchange: "", routing_key: sink }
    concurrency: 256
"#;

/// An order of about 1 KiB. Its `id` is `number`.
#[must_use]
pub fn order(number: usize) -> Value {
    let line = |line: usize| {
        let sku = format!("SKU-{:06}", number + line);
        json!({ "sku": sku, "quantity": line + 1, "price": 9.5, "note": "handle with care" })
    };
    let lines: Vec<Value> = (0..10).map(line).collect();
    json!({ "id": number, "customer": { "first": "Ada", "last": "Lovelace" }, "sent": 0, "lines": lines })
}

/// Orders `0..count`, each with the message id `m-<number>`.
#[must_use]
pub fn orders(count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|number| (format!("m-{number}"), order(number).to_string().into_bytes())).collect()
}

/// Declares source and sink, and gives the connection.
///
/// # Errors
/// When the broker refuses.
pub async fn queues(world: &World) -> Result<Amqp> {
    let amqp = world.broker.connect().await?;
    amqp.queue(SOURCE, None).await?;
    amqp.queue(SINK, None).await?;
    Ok(amqp)
}

/// Deploys the flow [`FLOW`]. Needs the component `rabbitmq`, and [`queues`] before it.
///
/// # Errors
/// When the API refuses.
pub async fn deploy(world: &World) -> Result<()> {
    world.apply_with_broker("shop", TEMPLATE).await.map(|_| ())
}

/// A template that ticks every so often, for example `1s`, and notes each tick. Needs the components `timer` and `log`.
#[must_use]
pub fn ticking(name: &str, every: &str) -> String {
    format!(
        "sluice: 1\nkind: template\nname: {name}\nversion: 1.0.0\nsteps:\n  - {{ id: tick, use: timer/tick, schedule: {{ every: {every} }} }}\n  - {{ id: note, use: log/write }}\n"
    )
}
