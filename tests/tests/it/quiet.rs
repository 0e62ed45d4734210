//! Flows at rest: no queue for a step, no container for a deployment, until something is to be done.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sluice_tests::{HttpSink, World, eventually};

const PATIENCE: Duration = Duration::from_secs(120);

/// A flow of three steps that ticks once when it is new, and then once an hour.
const QUIET: &str = "sluice: 1\nkind: template\nname: quiet\nversion: 1.0.0\nsteps:\n  \
    - { id: tick, use: timer/tick, schedule: { every: 1h }, timeout: 2s }\n  \
    - { id: first, use: log/write, timeout: 2s }\n  - { id: second, use: log/write, timeout: 2s }\n\
    ---\nsluice: 1\nkind: flow\nname: quiet\ntemplate: quiet\n";

/// The queues that belong to one step alone.
async fn own_lanes(world: &World) -> Result<Vec<String>> {
    let own = |name: &String| {
        name.strip_prefix("v1.q.")
            .and_then(|rest| rest.split_once('.'))
            .is_some_and(|(_, lane)| lane.len() == 26)
    };
    Ok(world.broker.queues().await?.into_iter().filter(own).collect())
}

async fn reached(world: &World, flow: &str, step: &str, runs: u64) -> Result<()> {
    eventually(&format!("{runs} runs of {step}"), PATIENCE, || async {
        let counters = world.api.counters(flow, step).await?;
        Ok((counters["succeeded"].as_u64() >= Some(runs)).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_at_rest_has_neither_queues_nor_containers_and_the_next_message_wakes_it() -> Result<()> {
    let settings = [("SLUICE__ENGINE__IDLE_TIMEOUT", "2s")];
    let world = World::start_with("quiet", &["timer", "log"], &settings).await?;
    world.api.apply(QUIET, json!({})).await?;
    for round in 1..=2 {
        reached(&world, "quiet", "second", round).await?;
        ensure!(own_lanes(&world).await?.is_empty(), "a quiet step has a queue");
        eventually("the containers to stop", PATIENCE, || async {
            Ok(world.containers().await?.is_empty().then_some(()))
        })
        .await?;
        eventually("the deployments to be idle", PATIENCE, || async {
            let deployments = world.api.get("/api/v1/deployments").await?;
            let list = deployments["items"].as_array().context("no list")?;
            Ok(list.iter().all(|deployment| deployment["status"] == "idle").then_some(()))
        })
        .await?;
        let view = world.api.get("/api/v1/flows/quiet").await?;
        ensure!(view["status"] == "running", "it runs, though nothing is to be done: {view}");
        // Whoever watches over containers is not to be woken by one that sleeps.
        let metrics = world.metrics().await?;
        let down = |line: &str| line.starts_with("sluice_deployment_up{") && line.ends_with(" 0");
        ensure!(!metrics.lines().any(down), "{metrics}");
        world.api.call("POST", "/api/v1/flows/quiet/trigger", None).await?;
    }
    // Nobody else runs its steps: the containers were woken.
    reached(&world, "quiet", "second", 3).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_step_gets_a_lane_of_its_own_and_keeps_its_order_on_the_way() -> Result<()> {
    const COUNT: u64 = 2000;
    let world = World::start("busy", &["faulty", "http"]).await?;
    let sink = HttpSink::start().await?;
    let template = format!(
        "sluice: 1\nkind: template\nname: busy\nversion: 1.0.0\nsteps:\n  \
         - {{ id: source, use: faulty/stream, config: {{ count: {COUNT}, body: {{}} }} }}\n  \
         - {{ id: pass, use: faulty/act, concurrency: 1 }}\n  \
         - {{ id: post, use: http/request, concurrency: 1, config: {{ method: POST, url: \"{}/n\" }} }}\n\
         ---\nsluice: 1\nkind: flow\nname: busy\ntemplate: busy\n",
        sink.url(&world.host)
    );
    world.api.apply(&template, json!({})).await?;
    eventually("lanes of their own", PATIENCE, || async {
        Ok((!own_lanes(&world).await?.is_empty()).then_some(()))
    })
    .await?;
    reached(&world, "busy", "post", COUNT).await?;
    let order: Vec<Option<u64>> = sink.received().iter().map(|one| one.body["n"].as_u64()).collect();
    let wanted: Vec<Option<u64>> = (0..COUNT).map(Some).collect();
    ensure!(order == wanted, "out of order: {order:?}");
    world.stop().await
}
