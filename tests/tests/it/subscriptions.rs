//! Webhooks whose senders Sluice tells where to send, and when to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sluice_tests::{HttpSink, Received, World, eventually};

const PATIENCE: Duration = Duration::from_secs(120);

const FILES: &str = r#"sluice: 1
kind: connector
name: forge
version: 1.0.0
title: Forge
http: { base_url: "URL" }
actions:
  begin:
    title: Begin
    request:
      method: POST
      path: /begin
      body: { value: { url: = input.url, secret: = input.secret, events: = input.config.events } }
    response: { result: $.response.body }
  end:
    title: End
    request: { method: POST, path: /end, body: { value: { id: = input.subscription.id } } }
triggers:
  pushed:
    title: Pushed
    kind: webhook
    config: { type: object, required: [events], properties: { events: { type: string } } }
    signature: { header: X-Sig }
    subscribe: begin
    unsubscribe: end
---
sluice: 1
kind: instance
name: forge-1
connector: forge
---
sluice: 1
kind: template
name: pushes
version: 1.0.0
parameters: { type: object, required: [events], properties: { events: { type: string } } }
instances: { forge: { connector: forge } }
steps:
  - { id: pushed, use: forge/pushed, config: { events: = params.events } }
  - { id: post, use: http/request, config: { method: POST, url: "URL/heard" }, input: { n: $.body.n } }
---
sluice: 1
kind: flow
name: pushes
template: pushes
params: { events: EVENTS }
instances: { forge: forge-1 }
"#;

fn files(world: &World, service: &HttpSink, events: &str) -> String {
    FILES.replace("URL", &service.url(&world.host)).replace("EVENTS", events)
}

/// The requests to a path, in their order.
fn to(service: &HttpSink, path: &str) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for one in service.received().into_iter().filter(|one| one.path == path) {
        // An orchestrator that is killed before it has noted an answer tells the same again.
        if !found.contains(&one.body) {
            found.push(one.body);
        }
    }
    found
}

async fn count(service: &HttpSink, path: &str, least: usize) -> Result<Value> {
    eventually(&format!("{least} requests to {path}"), PATIENCE, async || {
        let found = to(service, path);
        Ok((found.len() >= least).then(|| found[least - 1].clone()))
    })
    .await
}

/// Sends an event as the service would, and returns the status.
async fn send(told: &Value, n: usize) -> Result<u16> {
    let body = json!({ "n": n }).to_string();
    let secret = told["secret"].as_str().context("no secret was told")?;
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes())?;
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = told["url"].as_str().context("no URL was told")?;
    let request = http.post(url).header("content-type", "application/json").header("x-sig", signature);
    Ok(request.body(body).send().await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_where_to_send_and_when_to_stop() -> Result<()> {
    let mut world = World::start("subscriptions", &["rest", "http"]).await?;
    let service = HttpSink::start().await?;
    let (away, told) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_away, number) = (away.clone(), told.clone());
    service.answer(move |request: &Received| match request.path.as_str() {
        "/begin" if is_away.load(Ordering::SeqCst) => (500, json!({ "error": "later" })),
        "/begin" => (201, json!({ "id": number.fetch_add(1, Ordering::SeqCst) + 1 })),
        _ => (200, json!({})),
    });
    world.api.apply(&files(&world, &service, "push"), json!({})).await?;

    // A service that is away is told later, and one sees why.
    eventually("the trouble", PATIENCE, async || {
        let hooks = world.api.get("/api/v1/flows/pushes/hooks").await?;
        let seen = hooks[0]["subscribed"] == false && hooks[0]["trouble"].is_string();
        Ok(seen.then_some(()))
    })
    .await?;
    away.store(false, Ordering::SeqCst);
    eventually("the subscription", PATIENCE, async || {
        let hooks = world.api.get("/api/v1/flows/pushes/hooks").await?;
        Ok((hooks[0]["subscribed"] == true && hooks[0]["trouble"].is_null()).then_some(()))
    })
    .await?;
    let first = to(&service, "/begin").pop().context("nothing was told")?;
    assert_eq!(first["events"], "push");
    world.running("pushes").await?;
    assert_eq!(send(&first, 1).await?, 202);
    assert_eq!(count(&service, "/heard", 1).await?, json!({ "n": 1 }));
    let forged = json!({ "url": first["url"], "secret": "guessed" });
    assert_eq!(send(&forged, 2).await?, 401);

    // Another URL is told before the old one ends; the old secret goes with it. A restart changes nothing.
    let begun = to(&service, "/begin").len();
    world.api.call("POST", "/api/v1/flows/pushes/hooks/pushed/rotate", Some(json!({}))).await?;
    let second = count(&service, "/begin", begun + 1).await?;
    assert_ne!((&second["url"], &second["secret"]), (&first["url"], &first["secret"]));
    assert_eq!(count(&service, "/end", 1).await?, json!({ "id": 1 }));
    world.kill_and_restart().await?;
    world.running("pushes").await?;
    assert_eq!(send(&second, 3).await?, 202);
    assert_eq!(count(&service, "/heard", 2).await?, json!({ "n": 3 }));
    assert_eq!(to(&service, "/begin").len(), begun + 1, "who knows is not told again");

    // Another config is another subscription.
    world.api.apply(&files(&world, &service, "tag"), json!({})).await?;
    let third = count(&service, "/begin", begun + 2).await?;
    assert_eq!(third["events"], "tag");
    assert_eq!(count(&service, "/end", 2).await?, json!({ "id": 2 }));

    // It stops with the flow, begins with it, and ends with it.
    world.api.call("POST", "/api/v1/flows/pushes/stop", None).await?;
    assert_eq!(count(&service, "/end", 3).await?, json!({ "id": 3 }));
    world.api.call("POST", "/api/v1/flows/pushes/start", None).await?;
    count(&service, "/begin", begun + 3).await?;
    world.api.call("DELETE", "/api/v1/flows/pushes", None).await?;
    assert_eq!(count(&service, "/end", 4).await?, json!({ "id": 4 }));
    eventually("the end of the flow", PATIENCE, async || {
        let (status, _) = world.api.raw("GET", "/api/v1/flows/pushes", None).await?;
        Ok((status == 404).then_some(()))
    })
    .await?;
    let log = std::fs::read_to_string(world.data().join("log"))?;
    for one in [&first, &second, &third] {
        let secret = one["secret"].as_str().context("no secret")?;
        ensure!(!log.contains(secret), "the log has a secret");
    }
    world.stop().await
}
