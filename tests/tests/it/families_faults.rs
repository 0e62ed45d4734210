//! Components of other platforms when things go wrong, and where they meet what only a whole Sluice has: instances that are
//! tested, requests that are answered, attachments between containers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::crash::letters;
use sluice_tests::{HttpSink, Received, World, docker, eventually};

use crate::families::probes;

const PATIENCE: Duration = Duration::from_secs(90);

/// A flow whose trigger gives the probe its orders. What the probe emits goes to the sink.
fn orders(url: &str) -> String {
    format!(
        r#"
sluice: 1
kind: template
name: orders
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - {{ id: act, use: probe-sailor/act, input: $.body, retry: {{ attempts: 1 }}, limits: {{ memory: 1GiB }} }}
  - id: post
    use: http/request
    input: {{ n: $.body.n, late: $.body.late, of: $.steps.tick.body.do }}
    config: {{ method: POST, url: "{url}/n" }}
    concurrency: 32
---
sluice: 1
kind: flow
name: orders
template: orders
---
sluice: 1
kind: template
name: storm
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - {{ id: many, use: probe-sailor/act, input: {{ do: many, count: $.body.times }}, limits: {{ memory: 1GiB }} }}
  - id: fail
    use: probe-sailor/act
    input: {{ do: fail, why: = 'no order ' & $string(body.n) }}
    retry: {{ attempts: 1 }}
    concurrency: 16
    limits: {{ memory: 1GiB }}
---
sluice: 1
kind: flow
name: storm
template: storm
---
sluice: 1
kind: template
name: files
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - {{ id: store, use: probe-sailor/act, input: {{ do: store, text: $.body.text }}, limits: {{ memory: 1GiB }} }}
  - {{ id: fetch, use: probe-ferryman/act, input: {{ do: fetch }} }}
  - id: post
    use: http/request
    input: {{ text: $.body }}
    config: {{ method: POST, url: "{url}/text" }}
---
sluice: 1
kind: flow
name: files
template: files
---
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
triggers:
  asked: {{ title: Asked, kind: webhook, signature: {{ preset: none }} }}
---
sluice: 1
kind: template
name: ask
version: 1.0.0
steps:
  - {{ id: asked, use: shop/asked }}
  - {{ id: act, use: probe-sailor/act, input: $.body, retry: {{ attempts: 1 }}, limits: {{ memory: 1GiB }} }}
  - {{ id: reply, use: sluice/respond, after: act.reply, input: $.body }}
---
sluice: 1
kind: flow
name: ask
template: ask
---
sluice: 1
kind: instance
name: probe-main
connector: probe-sailor
secrets: {{ password: {{ env: PASSWORD }} }}
"#
    )
}

async fn apply(world: &World, sink: &HttpSink, password: &str) -> Result<()> {
    let secrets = json!({ "probe-main": { "password": password } });
    world.api.apply(&orders(&sink.url(&world.host)), secrets).await.map(drop)
}

async fn order(world: &World, flow: &str, body: Value) -> Result<()> {
    let path = format!("/api/v1/flows/{flow}/trigger");
    world.api.call("POST", &path, Some(json!({ "body": body }))).await.map(drop)
}

/// Waits until all numbers below `most` came.
async fn came(sink: &HttpSink, most: u64) -> Result<()> {
    eventually("all that was emitted", PATIENCE, || async {
        let came: std::collections::BTreeSet<u64> =
            sink.received().iter().filter_map(|one| one.body["n"].as_u64()).collect();
        Ok((0..most).all(|n| came.contains(&n)).then_some(()))
    })
    .await
}

/// Waits for the only dead letter of a code.
async fn dead(world: &World, code: &str) -> Result<()> {
    eventually(&format!("the dead letter of {code}"), PATIENCE, || async {
        let all = letters(&world.api, "orders", None).await?;
        Ok(all.iter().any(|letter| letter["error"]["code"] == code).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_components_of_other_platforms_emit_outlives_their_stop() -> Result<()> {
    probes().await?;
    let components = ["timer", "http", "rest", "probe-sailor", "probe-ferryman"];
    let world = World::start("families-faults", &components).await?;
    let sink = HttpSink::start().await?;
    apply(&world, &sink, "good").await?;
    an_instance_is_tested(&world, &sink).await?;
    a_request_is_answered(&world).await?;
    order(&world, "files", json!({ "text": "from another container" })).await?;
    eventually("the text of the attachment", PATIENCE, || async {
        let came = sink.received();
        Ok(came.iter().any(|one| one.body["text"] == "from another container").then_some(()))
    })
    .await?;

    // Emitted without waiting, and its container stopped meanwhile: all of it comes, as outputs of its run.
    order(&world, "orders", json!({ "do": "careless", "count": 400 })).await?;
    let first = || async { Ok(sink.received().iter().any(|one| one.body["n"].is_u64()).then_some(())) };
    eventually("the first of what is emitted", PATIENCE, first).await?;
    docker(&["stop", &world.container("probe-sailor").await?]).await?;
    // What the process emits while it ends may come first, and by an execution of its own.
    let of_the_run = || async {
        let came: std::collections::BTreeSet<u64> = sink
            .received()
            .iter()
            .filter(|one| one.body["of"] == "careless")
            .filter_map(|one| one.body["n"].as_u64())
            .collect();
        Ok((came.len() == 400).then_some(()))
    };
    eventually("all of it as outputs of its run", PATIENCE, of_the_run).await?;

    // What comes long after the end of its run begins an execution of its own.
    order(&world, "orders", json!({ "do": "late", "n": 7 })).await?;
    eventually("the late message", PATIENCE, || async {
        Ok(sink.received().iter().find(|one| one.body["late"] == 7).map(|one| one.body.clone()))
    })
    .await
    .and_then(|late| {
        ensure!(late["of"].is_null(), "{late}");
        Ok(())
    })?;

    // What cannot be passed on is a dead letter each, and the step goes on.
    order(&world, "orders", json!({ "do": "large", "bytes": 1_200_000 })).await?;
    dead(&world, "output_too_large").await?;
    let nowhere = json!({ "headers": { "x-eio-routing-key": "nowhere" } });
    order(&world, "orders", json!({ "do": "emit", "body": {}, "more": nowhere })).await?;
    dead(&world, "unknown_routing_key").await?;
    order(&world, "orders", json!({ "do": "many", "count": 402 })).await?;
    came(&sink, 402).await?;

    // A storm of errors: each input is a dead letter, and the step goes on.
    order(&world, "storm", json!({ "times": 500 })).await?;
    let dead = |count: usize| {
        let api = &world.api;
        move || async move { Ok((letters(api, "storm", None).await?.len() == count).then_some(())) }
    };
    eventually("500 dead letters", PATIENCE, dead(500)).await?;
    order(&world, "storm", json!({ "times": 1 })).await?;
    eventually("one more", PATIENCE, dead(501)).await?;
    world.stop().await
}

/// A flow whose component has a container of its own, so that nothing keeps it when the flow stops.
fn alone(name: &str, probe: &str, url: &str) -> String {
    format!(
        r#"
sluice: 1
kind: template
name: {name}
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - id: act
    use: {probe}/act
    when: = $exists(body.do)
    input: $.body
    isolation: flow
    limits: {{ memory: 512MiB }}
  - id: post
    use: http/request
    input: {{ n: $.body.n }}
    config: {{ method: POST, url: "{url}/{name}" }}
    concurrency: 32
"#
    )
}

/// The numbers that came of a flow, in the order in which they came.
fn numbers(sink: &HttpSink, flow: &str) -> Vec<u64> {
    let of = |one: &&Received| one.path == format!("/{flow}");
    sink.received().iter().filter(of).filter_map(|one| one.body["n"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_is_stopped_while_its_component_emits_finishes_what_it_began() -> Result<()> {
    const OUTPUTS: u64 = 1000;
    probes().await?;
    let world = World::start("families-stop", &["timer", "http", "probe-sailor", "probe-ferryman"]).await?;
    let sink = HttpSink::start().await?;
    for (flow, probe) in [("one", "probe-sailor"), ("other", "probe-ferryman")] {
        world.api.apply(&alone(flow, probe, &sink.url(&world.host)), json!({})).await?;
        for (round, deed) in ["careless", "many"].into_iter().enumerate() {
            world.running(flow).await?;
            let before = numbers(&sink, flow).len();
            order(&world, flow, json!({ "do": deed, "count": OUTPUTS })).await?;
            let first = || async { Ok((numbers(&sink, flow).len() > before).then_some(())) };
            eventually("the first of what is emitted", PATIENCE, first).await?;
            let container = world.container(probe).await?;
            world.api.call("POST", &format!("/api/v1/flows/{flow}/stop"), None).await?;
            eventually(&format!("the flow {flow} to stop"), PATIENCE, || async {
                let view = world.api.get(&format!("/api/v1/flows/{flow}")).await?;
                ensure!(view["status"] == "stopped", "{} {}", view["status"], view["reasons"]);
                Ok(Some(()))
            })
            .await?;
            ensure!(!world.containers().await?.contains(&container), "{container} goes on");
            let mut came = numbers(&sink, flow).split_off(before);
            came.sort_unstable();
            ensure!(came == (0..OUTPUTS).collect::<Vec<_>>(), "{probe}, {deed}: {} came", came.len());
            if round == 0 {
                world.api.call("POST", &format!("/api/v1/flows/{flow}/start"), None).await?;
            }
        }
        ensure!(letters(&world.api, flow, None).await?.is_empty(), "{flow}");
    }
    world.stop().await
}

/// Its verifyCredentials is the test of the connector.
async fn an_instance_is_tested(world: &World, sink: &HttpSink) -> Result<()> {
    let test = async || world.api.call("POST", "/api/v1/instances/probe-main/test", None).await;
    let tested = test().await?;
    ensure!(tested["status"] == "succeeded", "{tested}");
    apply(world, sink, "wrong").await?;
    let tested = test().await?;
    let said = (tested["error"]["code"].as_str(), tested["error"]["message"].as_str());
    ensure!(said == (Some("credentials_refused"), Some("the password is wrong")), "{tested}");
    apply(world, sink, "good").await
}

/// Its httpReply leaves by a port, and a step behind that answers.
async fn a_request_is_answered(world: &World) -> Result<()> {
    world.running("ask").await?;
    let hooks = world.api.get("/api/v1/flows/ask/hooks").await?;
    let path = hooks[0]["urls"][0]["path"].as_str().context("no URL")?;
    let (http, url) = (reqwest::Client::builder().no_proxy().build()?, format!("{}{path}", world.api.base()));
    let ask = async |order: Value| -> Result<(u16, Option<String>, String)> {
        let request = http.post(&url).header("content-type", "application/json").body(order.to_string());
        let answer = request.send().await?;
        let shop = answer.headers().get("x-shop").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((answer.status().as_u16(), shop, answer.text().await?))
    };
    let answer =
        ask(json!({ "do": "reply", "status": 207, "headers": { "X-Shop": "eu" }, "body": { "left": 7 } }))
            .await?;
    ensure!(answer == (207, Some("eu".to_owned()), r#"{"left":7}"#.to_owned()), "{answer:?}");
    let (status, _, problem) = ask(json!({ "do": "fail", "why": "no such thing" })).await?;
    ensure!(status == 502 && problem.contains("A0032"), "{status} {problem}");
    Ok(())
}
