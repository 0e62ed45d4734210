//! One message that crashes its container and one that hangs it, among a thousand good ones.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{World, eventually, workload};

const PATIENCE: Duration = Duration::from_secs(180);

const TEMPLATE: &str = r#"
---
sluice: 1
kind: template
name: poison
version: 1.0.0
instances:
  shop: { connector: rabbitmq }
steps:
  - id: listen
    use: shop/listen
    config: { queue: source }
  - id: work
    use: faulty/act
    concurrency: 16
    timeout: 3s
    retry: { attempts: 2, initial: 1s }
  - id: out
    use: shop/publish
    config: { exchange: "", routing_key: sink }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn poison_ends_as_two_dead_letters_and_every_good_message_arrives() -> Result<()> {
    let world = World::start("poison", &["rabbitmq", "faulty"]).await?;
    let amqp = workload::queues(&world).await?;
    world.apply_with_broker("shop", TEMPLATE).await?;
    world.running("poison").await?;
    let messages: Vec<(String, Vec<u8>)> = (0..1002)
        .map(|number| {
            let body = match number {
                300 => json!({ "do": "abort", "number": number }),
                600 => json!({ "do": "hang", "number": number }),
                _ => json!({ "do": "ok", "number": number }),
            };
            (format!("m-{number}"), body.to_string().into_bytes())
        })
        .collect();
    amqp.publish_all("", "source", &messages).await?;

    let mut seen = BTreeSet::new();
    let drained = amqp.drain("sink", |_, body| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        seen.insert(body["number"].as_u64());
        seen.len() == 1000
    });
    tokio::time::timeout(PATIENCE, drained).await.context("waiting for 1000 at the sink")??;
    assert!(!seen.contains(&Some(300)) && !seen.contains(&Some(600)));

    let letters = eventually("two dead letters", PATIENCE, || async {
        let letters = world.api.get("/api/v1/dead-letters?state=waiting").await?;
        let items = letters["items"].as_array().cloned().unwrap_or_default();
        Ok((items.len() == 2).then_some(items))
    })
    .await?;
    let of =
        |number: u64| letters.iter().find(move |letter| letter.to_string().contains(&format!("{number}")));
    let crashed = letters
        .iter()
        .find(|letter| letter["reason"] == "crashed")
        .with_context(|| format!("no crashed one: {letters:?}"))?;
    let hung = letters
        .iter()
        .find(|letter| letter["reason"] == "exhausted")
        .with_context(|| format!("no exhausted one: {letters:?}"))?;
    assert!(of(300).is_some() && crashed["exit"]["code"].as_i64().is_some_and(|code| code != 0), "{crashed}");
    assert_eq!(hung["error"]["code"], "timeout", "{hung}");

    // Edited and redriven, pressed twice: it arrives once.
    let id = crashed["id"].as_str().context("no id")?;
    let path = format!("/api/v1/dead-letters/{id}");
    let body = json!({ "body": { "do": "ok", "number": 300 } });
    world.api.call("PATCH", &path, Some(body)).await?;
    world.api.call("POST", &format!("{path}/redrive"), None).await?;
    world.api.call("POST", &format!("{path}/redrive"), None).await?;
    // What this one got and did not take lies in the queue again.
    amqp.close().await?;
    // When the flow is stopped, nothing of it is under way any more.
    world.api.call("POST", "/api/v1/flows/poison/stop", None).await?;
    eventually("the flow to be stopped", PATIENCE, || async {
        let view = world.api.get("/api/v1/flows/poison").await?;
        Ok((view["status"] == "stopped").then_some(()))
    })
    .await?;
    let amqp = world.broker.connect().await?;
    let (mut left, mut times) = (amqp.depth("sink").await?, 0);
    assert!(left > 0, "the redriven message did not arrive");
    let taken = amqp.drain("sink", |_, body| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        times += usize::from(body["number"] == 300);
        left -= 1;
        left == 0
    });
    tokio::time::timeout(PATIENCE, taken).await.context("waiting for what lies at the sink")??;
    assert_eq!(times, 1, "the redriven message did not arrive, or more than once");
    world.stop().await
}
