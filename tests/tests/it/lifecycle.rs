//! Pausing, stopping, deleting and updating flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sluice_tests::{HttpSink, World, eventually};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(120);

fn template(version: &str, url: &str, extra: &str) -> String {
    format!(
        r#"
sluice: 1
kind: template
name: life
version: {version}
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1s }} }}
  - id: post
    use: http/request
    input: {{ v: "{version}" }}
    config: {{ method: POST, url: "{url}/v" }}
{extra}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_paused_resumed_updated_and_deleted_without_a_trace() -> Result<()> {
    let world = World::start("life", &["timer", "http", "log"]).await?;
    let sink = HttpSink::start().await?;
    let url = sink.url(&world.host);
    world.api.apply(&template("1.0.0", &url, ""), json!({})).await?;
    let more = |least: usize| {
        let sink = &sink;
        move || async move { Ok((sink.count() >= least).then_some(())) }
    };
    eventually("the first posts", PATIENCE, more(2)).await?;

    // An edit of a published version is refused, a new version is planned and then applied in place.
    let (status, problem) = world
        .api
        .raw("POST", "/api/v1/apply", Some(json!({ "files": [{ "name": "t", "text": template("1.0.0", &url, "  - { id: note, use: log/write }") }] }).to_string()))
        .await?;
    assert_eq!(status, 409, "{problem}");
    world.api.apply(&template("1.1.0", &url, "  - { id: note, use: log/write }"), json!({})).await?;
    eventually("posts of the new version", PATIENCE, || async {
        Ok(sink.received().iter().any(|received| received.body["v"] == "1.1.0").then_some(()))
    })
    .await?;
    let again =
        world.api.apply(&template("1.1.0", &url, "  - { id: note, use: log/write }"), json!({})).await?;
    assert!(
        again["items"].as_array().is_some_and(|items| items.iter().all(|item| item["action"] == "keep")),
        "{again}"
    );

    world.api.call("POST", "/api/v1/flows/life/pause", None).await?;
    let flow = world.api.get("/api/v1/flows/life").await?;
    assert_eq!(flow["status"], "paused");
    world.api.call("POST", "/api/v1/flows/life/start", None).await?;
    let now = sink.count();
    eventually("posts after the pause", PATIENCE, more(now + 2)).await?;

    world.api.call("DELETE", "/api/v1/flows/life", None).await?;
    eventually("the flow to be gone", PATIENCE, || async {
        let (status, _) = world.api.raw("GET", "/api/v1/flows/life", None).await?;
        Ok((status == 404).then_some(()))
    })
    .await?;
    eventually("containers, lanes and users to be gone", PATIENCE, || async {
        let containers = world.containers().await?;
        let lanes: Vec<String> =
            world.broker.queues().await?.into_iter().filter(|name| name.starts_with("v1.q.")).collect();
        let users = world.broker.users(&format!("sluice-{}-", world.name)).await?;
        anyhow::ensure!(
            containers.is_empty() && lanes.is_empty() && users.is_empty(),
            "{containers:?} {lanes:?} {users:?}"
        );
        Ok(Some(()))
    })
    .await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_cannot_come_to_an_end_is_discarded_without_a_trace() -> Result<()> {
    let world = World::start("discard", &["timer", "http"]).await?;
    let sink = HttpSink::start().await?;
    // Somebody who takes every request and answers none.
    let silent = TcpListener::bind((world.host.as_str(), 0)).await?;
    let url = format!("http://{}", silent.local_addr()?);
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            held.push(connection);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let endless = template("1.0.0", &url, "    timeout: 1h\n").replace("name: life", "name: endless");
    let endless = endless.replace("every: 1s", "every: 1h");
    world.api.apply(&endless, json!({})).await?;
    world.api.apply(&template("1.0.0", &sink.url(&world.host), ""), json!({})).await?;
    for number in 0..40 {
        let body = json!({ "body": { "number": number } });
        world.api.call("POST", "/api/v1/flows/endless/trigger", Some(body)).await?;
    }
    eventually("a run that does not end", PATIENCE, || async {
        Ok((taken.load(Ordering::SeqCst) > 0).then_some(()))
    })
    .await?;
    eventually("a lane of its own", PATIENCE, || async {
        let lanes = own_lanes(&world).await?;
        Ok((!lanes.is_empty()).then_some(()))
    })
    .await?;

    world.api.call("DELETE", "/api/v1/flows/endless", None).await?;
    let flow = world.api.get("/api/v1/flows/endless").await?;
    assert_eq!(flow["status"], "deleting", "{flow}");
    let (status, problem) = world.api.raw("DELETE", "/api/v1/flows/endless?discard=perhaps", None).await?;
    assert_eq!(status, 400, "{problem}");
    let state = world.api.call("DELETE", "/api/v1/flows/endless?discard=true", None).await?;
    assert_eq!(state["intent"], "discard");
    // What is thrown away comes back by no other wish.
    let (status, problem) = world.api.raw("POST", "/api/v1/flows/endless/start", None).await?;
    assert!(status == 409 || status == 404, "{status} {problem}");
    eventually("the flow and its lane to be gone", PATIENCE, || async {
        let (status, _) = world.api.raw("GET", "/api/v1/flows/endless", None).await?;
        let lanes = own_lanes(&world).await?;
        Ok((status == 404 && lanes.is_empty()).then_some(()))
    })
    .await?;
    // The other flow shares the container, and goes on.
    let now = sink.count();
    eventually("posts of the other flow", PATIENCE, || async { Ok((sink.count() > now + 2).then_some(())) })
        .await?;
    world.stop().await
}

/// The lanes that single steps have.
async fn own_lanes(world: &World) -> Result<Vec<String>> {
    let shared = [".common", ".suspects", ".invocations"];
    let of_a_step =
        |name: &String| name.starts_with("v1.q.") && !shared.iter().any(|end| name.ends_with(end));
    Ok(world.broker.queues().await?.into_iter().filter(of_a_step).collect())
}
