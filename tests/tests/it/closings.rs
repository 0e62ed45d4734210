//! What a trigger opened elsewhere is closed when its flow ends, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Received, World, eventually};

use crate::families::probes;

const PATIENCE: Duration = Duration::from_secs(120);

fn files(world: &World, service: &HttpSink) -> String {
    let url = service.url(&world.host);
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    format!(
        r#"
sluice: 1
kind: instance
name: probe-main
connector: probe-sailor
settings: {{ allowed_hosts: ["{host}"] }}
---
sluice: 1
kind: template
name: hooked
version: 1.0.0
instances: {{ probe: {{ connector: probe-sailor }} }}
steps:
  - id: hooked
    use: probe/hooked
    schedule: {{ every: 1s }}
    config: {{ _hooks: true, service: "{url}/hooks" }}
    limits: {{ memory: 512MiB }}
  - {{ id: post, use: http/request, input: $.body, config: {{ method: POST, url: "{url}/counts" }} }}
---
sluice: 1
kind: flow
name: hooked
template: hooked
instances: {{ probe: probe-main }}
"#
    )
}

/// The hooks that were called, in their order, and for which flow and step. A call may come twice after a kill.
fn hooks(service: &HttpSink) -> Vec<Value> {
    let mut called: Vec<Value> = Vec::new();
    for one in service.received().into_iter().filter(|one| one.path == "/hooks") {
        if called.last() != Some(&one.body) {
            called.push(one.body);
        }
    }
    called
}

/// How many calls of a hook there were.
fn count(service: &HttpSink, hook: &str) -> usize {
    let of = |called: &&Value| called["hook"].as_str().is_some_and(|text| text.starts_with(hook));
    hooks(service).iter().filter(of).count()
}

async fn called(service: &HttpSink, hook: &str, times: usize) -> Result<()> {
    eventually(&format!("{times} calls of {hook}"), PATIENCE, async || {
        let seen = count(service, hook);
        ensure!(seen >= times, "{seen} of {times}");
        Ok(Some(()))
    })
    .await
}

/// The largest count that arrived.
fn counted(service: &HttpSink) -> u64 {
    let counts = service.received();
    counts.iter().filter_map(|one| one.body["count"].as_u64()).max().unwrap_or_default()
}

async fn more_counts(service: &HttpSink) -> Result<()> {
    let before = counted(service);
    eventually("more of what is polled", PATIENCE, async || Ok((counted(service) > before).then_some(())))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_opened_is_closed_when_its_flow_ends() -> Result<()> {
    probes().await?;
    let mut world = World::start("closings", &["http", "probe-sailor"]).await?;
    let service = HttpSink::start().await?;
    let away = Arc::new(AtomicBool::new(false));
    let is_away = away.clone();
    service.answer(move |request: &Received| {
        let ends = request.body["hook"].as_str().is_some_and(|hook| hook.starts_with("shutdown"));
        (if ends && is_away.load(Ordering::SeqCst) { 503 } else { 200 }, json!({}))
    });
    world.api.apply(&files(&world, &service), json!({})).await?;
    more_counts(&service).await?;
    let first = hooks(&service);
    ensure!(first[0]["hook"] == "startup" && first[1]["hook"] == "init", "{first:?}");

    // A pause ends nothing, and neither does a restart of the orchestrator.
    world.api.call("POST", "/api/v1/flows/hooked/pause", None).await?;
    world.kill_and_restart().await?;
    world.api.call("POST", "/api/v1/flows/hooked/start", None).await?;
    more_counts(&service).await?;
    ensure!((count(&service, "startup"), count(&service, "shutdown")) == (1, 0), "{:?}", hooks(&service));

    // Another config begins anew: what was started up with the one before is shut down.
    let changed = files(&world, &service)
        .replace("version: 1.0.0", "version: 1.1.0")
        .replace("_hooks: true,", "_hooks: true, list: 2,");
    world.api.apply(&changed, json!({})).await?;
    called(&service, "startup", 2).await?;
    ensure!(count(&service, "shutdown") >= 1, "{:?}", hooks(&service));
    more_counts(&service).await?;

    // Stopped, it is shut down with what it was started up with, as the step that it is.
    let ended = count(&service, "shutdown");
    world.api.call("POST", "/api/v1/flows/hooked/stop", None).await?;
    called(&service, "shutdown", ended + 1).await?;
    let last = hooks(&service).pop().unwrap_or_default();
    ensure!(last["hook"] == r#"shutdown {"subscription":7}"#, "{last}");
    ensure!((&last["flow"], &last["step"]) == (&first[0]["flow"], &first[0]["step"]), "{last} {first:?}");

    // Started again, it begins anew, and goes on counting where it was.
    let (before, begun) = (counted(&service), count(&service, "startup"));
    world.api.call("POST", "/api/v1/flows/hooked/start", None).await?;
    called(&service, "startup", begun + 1).await?;
    eventually("the next count", PATIENCE, async || Ok((counted(&service) > before).then_some(()))).await?;

    // Deleted while the service is away and the orchestrator dies: it is told as soon as it is back.
    away.store(true, Ordering::SeqCst);
    world.api.call("DELETE", "/api/v1/flows/hooked", None).await?;
    eventually("the flow to be gone", PATIENCE, async || {
        let flows = world.api.get("/api/v1/flows").await?;
        Ok(flows["items"].as_array().is_some_and(Vec::is_empty).then_some(()))
    })
    .await?;
    world.kill_and_restart().await?;
    let refused = service.received().iter().filter(|one| one.path == "/hooks").count();
    away.store(false, Ordering::SeqCst);
    eventually("another attempt", PATIENCE, async || {
        let now = service.received().iter().filter(|one| one.path == "/hooks").count();
        Ok((now > refused).then_some(()))
    })
    .await?;
    ensure!(count(&service, "shutdown") >= 3, "{:?}", hooks(&service));
    world.stop().await
}
