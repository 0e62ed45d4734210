//! A webhook whose flow answers: through a real container, and when a step of it fails.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, World};

const FILES: &str = r#"
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
triggers:
  asked: { title: Asked, kind: webhook, signature: { preset: none } }
---
sluice: 1
kind: template
name: ask
version: 1.0.0
steps:
  - { id: asked, use: shop/asked }
  - id: find
    use: http/request
    config: { method: GET, url: "URL/stock" }
    retry: { attempts: 1 }
    concurrency: 16
  - id: reply
    use: sluice/respond
    input: { status: 201, headers: { x-shop: eu }, body: { left: $.body.body.left, of: $.steps.asked.body.sku } }
---
sluice: 1
kind: flow
name: ask
template: ask
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_answers_the_request_that_began_it() -> Result<()> {
    let world = World::start("answers", &["rest", "http"]).await?;
    let stock = HttpSink::start().await?;
    stock.answer(|_| (200, json!({ "left": 7 })));
    world.api.apply(&FILES.replace("URL", &stock.url(&world.host)), json!({})).await?;
    world.running("ask").await?;
    let hooks = world.api.get("/api/v1/flows/ask/hooks").await?;
    let path = hooks[0]["urls"][0]["path"].as_str().context("no URL")?;
    let (http, url) = (reqwest::Client::builder().no_proxy().build()?, format!("{}{path}", world.api.base()));
    let ask = async |sku: usize| -> Result<(u16, Option<String>, Value)> {
        let body = json!({ "sku": sku }).to_string();
        let answer = http.post(&url).header("content-type", "application/json").body(body).send().await?;
        let shop = answer.headers().get("x-shop").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((answer.status().as_u16(), shop, serde_json::from_str(&answer.text().await?)?))
    };
    // Each gets its own answer, also when many wait.
    for round in 0..4 {
        let asked: Vec<usize> = (round * 16..round * 16 + 16).collect();
        let answers = futures_util::future::join_all(asked.iter().map(|sku| ask(*sku))).await;
        for (sku, answer) in asked.iter().zip(answers) {
            assert_eq!(answer?, (201, Some("eu".to_owned()), json!({ "left": 7, "of": sku })));
        }
    }
    stock.answer(|_| (400, json!({ "error": "no" })));
    let (status, _, problem) = ask(1).await?;
    assert_eq!((status, problem["code"].as_str()), (502, Some("A0032")), "{problem}");
    let letters = world.api.get("/api/v1/dead-letters").await?;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1), "{letters}");
    world.stop().await
}
