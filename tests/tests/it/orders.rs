//! The main job: messages from an exchange, split, filtered, mapped, posted over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sluice_tests::{HttpSink, World, eventually};

const PATIENCE: Duration = Duration::from_secs(120);

fn template(url: &str) -> String {
    format!(
        r#"
---
sluice: 1
kind: template
name: orders
version: 1.0.0
parameters:
  type: object
  properties: {{ minimum: {{ type: number, default: 10 }} }}
instances:
  shop: {{ connector: rabbitmq }}
steps:
  - id: listen
    use: shop/listen
    config: {{ exchange: shop.events, routing_key: "order.*" }}
  - id: post
    use: http/request
    when: = body.total >= params.minimum
    split: = body.lines
    input: {{ sku: $.item.sku, order: $.body.id, customer: "= body.first & ' ' & body.last", big: $.body.big }}
    config: {{ method: POST, url: "{url}/lines" }}
    concurrency: 8
  - id: note
    use: log/write
    input: {{ order: $.steps.listen.body.id, status: $.body.status }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_split_filtered_mapped_and_posted_once_each() -> Result<()> {
    let world = World::start("orders", &["rabbitmq", "http", "log"]).await?;
    let sink = HttpSink::start().await?;
    let amqp = world.broker.connect().await?;
    amqp.exchange("shop.events").await?;
    let applied = world.apply_with_broker("shop", &template(&sink.url(&world.host))).await?;
    assert!(applied["done"].as_bool().unwrap_or(false), "{applied}");
    world.running("orders").await?;
    listening(&world, &amqp).await?;

    let orders: Vec<(String, Vec<u8>)> =
        (0..200).map(|number| (format!("order-{number}"), order(number))).collect();
    amqp.publish_all("shop.events", "order.created", &orders).await?;
    // Every second order is below the minimum; the others have two lines each.
    eventually("200 lines", PATIENCE, || async { Ok((sink.count() >= 200).then_some(())) }).await?;
    let noted = || async {
        let counters = world.api.counters("orders", "note").await?;
        Ok((counters["succeeded"] == 200).then_some(()))
    };
    eventually("200 notes", PATIENCE, noted).await?;
    let mut keys = BTreeMap::new();
    for received in sink.received() {
        let key = received.headers.get("idempotency-key").cloned().unwrap_or_default();
        *keys.entry(key).or_insert(0) += 1;
        assert_eq!(received.body["customer"], "Ada Lovelace");
        assert_eq!(received.body["big"], json!(9_007_199_254_740_993_u64));
    }
    assert_eq!((keys.len(), keys.values().max()), (200, Some(&1)));
    let counters = world.api.counters("orders", "post").await?;
    assert_eq!(
        (&counters["filtered"], &counters["succeeded"]),
        (&json!(101), &json!(200)),
        "the probe is filtered too"
    );
    history_shows_every_step(&world).await?;
    world.stop().await
}

/// Waits until the listener consumes, which shows as a consumer of its queue that takes a first message.
pub(crate) async fn listening(world: &World, amqp: &sluice_tests::Amqp) -> Result<()> {
    let probe = [("probe".to_owned(), br#"{"total":0,"lines":[]}"#.to_vec())];
    eventually("the listener's queue", PATIENCE, || async {
        let bindings = world
            .broker
            .call("GET", &["exchanges", world.broker.vhost(), "shop.events", "bindings", "source"], None)
            .await?;
        Ok(bindings.as_array().is_some_and(|list| !list.is_empty()).then_some(()))
    })
    .await?;
    amqp.publish_all("shop.events", "order.probe", &probe).await?;
    eventually("the first message", PATIENCE, || async {
        let flows = world.api.get("/api/v1/flows").await?;
        let name = flows["items"][0]["name"].as_str().unwrap_or_default().to_owned();
        let counters = world.api.counters(&name, "listen").await?;
        Ok((counters["emitted"].as_u64() > Some(0)).then_some(()))
    })
    .await
}

fn order(number: u32) -> Vec<u8> {
    let total = if number.is_multiple_of(2) { 20 } else { 5 };
    json!({
        "id": number, "total": total, "first": "Ada", "last": "Lovelace", "big": 9_007_199_254_740_993_u64,
        "lines": [{ "sku": format!("a{number}") }, { "sku": format!("b{number}") }],
    })
    .to_string()
    .into_bytes()
}

async fn history_shows_every_step(world: &World) -> Result<()> {
    eventually("an execution with all its steps", PATIENCE, || async {
        let list = world.api.get("/api/v1/executions?flow=orders&status=succeeded&limit=100").await?;
        for execution in list["items"].as_array().into_iter().flatten() {
            let id = execution["id"].as_str().unwrap_or_default();
            let one = world.api.get(&format!("/api/v1/executions/{id}")).await?;
            let runs = one["step_runs"].as_array().cloned().unwrap_or_default();
            let steps: Vec<&str> = runs.iter().filter_map(|run| run["step"].as_str()).collect();
            if steps.contains(&"listen") && steps.contains(&"post") && steps.contains(&"note") {
                let post = runs
                    .iter()
                    .find(|run| run["step"] == "post")
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(post.contains("sku") && post.contains("Ada Lovelace"), "{post}");
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await
}
