//! Many quiet flows on one machine, and the start of a flow whose containers are stopped.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Orchestrator, World, component_image, docker, eventually};

use super::median;
use super::plane::{cpu_seconds, pids_of};

/// A flow of three steps that ticks once when it is new, and then once an hour.
const TEMPLATE: &str = "sluice: 1\nkind: template\nname: quiet\nversion: 1.0.0\nsteps:\n  \
    - { id: tick, use: timer/tick, schedule: { every: 1h } }\n  \
    - { id: first, use: log/write }\n  \
    - { id: second, use: log/write }\n";
/// Flows in one request.
const CHUNK: usize = 500;
/// How long everything is watched at rest.
const REST: Duration = Duration::from_secs(20);
/// How often a start is measured.
const STARTS: usize = 5;

/// Applies `count` flows, lets each work once, and measures what they cost at rest.
pub(crate) async fn run(count: usize) -> Result<Value> {
    let world = World::start("flows", &["timer", "log"]).await?;
    let before = objects(&world).await?;
    let begun = Instant::now();
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(CHUNK) {
        let flow =
            |number: &usize| format!("---\nsluice: 1\nkind: flow\nname: quiet-{number}\ntemplate: quiet\n");
        let flows: String = chunk.iter().map(flow).collect();
        world.api.apply(&format!("{TEMPLATE}{flows}"), json!({})).await?;
    }
    let applied = begun.elapsed();
    eventually("each flow to work once", Duration::from_secs(600), || async {
        let overview = world.api.get("/api/v1/overview").await?;
        let flows = overview["flows"].as_array().context("no flows")?;
        let failed = flows.iter().find(|flow| flow["failed"] != 0 || flow["dead"] != 0);
        ensure!(failed.is_none(), "{failed:?}");
        let done = flows.iter().filter(|flow| flow["done"].as_u64() >= Some(2)).count();
        Ok((done == count).then_some(()))
    })
    .await?;
    let worked = begun.elapsed();
    let after = objects(&world).await?;
    let pids = [
        vec![world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?],
        vec![world.process("timer").await?, world.process("log").await?],
        vec![world.broker.pid().await?],
        [pids_of("dockerd")?, pids_of("containerd")?].concat(),
    ];
    let sum = || pids.iter().map(|pids| cpu_seconds(pids)).collect::<Result<Vec<f64>>>();
    let (from, since) = (sum()?, Instant::now());
    tokio::time::sleep(REST).await;
    let (to, rest) = (sum()?, since.elapsed().as_secs_f64());
    let share = |part: usize| (to[part] - from[part]) / rest * 100.0;
    let kib = |part: usize| pids[part].iter().map(|pid| Orchestrator::memory_kib(*pid)).sum::<Result<u64>>();
    let report = json!({
        "flows": count,
        "applied_seconds": applied.as_secs_f64(),
        "each_worked_after_seconds": worked.as_secs_f64(),
        "orchestrator_kib": kib(0)?,
        "components_kib": kib(1)?,
        "idle_percent_of_a_core": {
            "orchestrator": share(0), "components": share(1), "broker": share(2), "container_engine": share(3),
        },
        "broker_objects": { "without_flows": before, "with_flows": after },
    });
    world.stop().await?;
    Ok(json!({ "quiet": report, "starts": starts().await? }))
}

/// How many queues, exchanges and bindings the world has on the broker.
async fn objects(world: &World) -> Result<Value> {
    let count = async |kind: &str| -> Result<usize> {
        let list = world.broker.call("GET", &[kind, world.broker.vhost()], None).await?;
        Ok(list.as_array().context("no list")?.len())
    };
    Ok(json!({
        "queues": count("queues").await?,
        "exchanges": count("exchanges").await?,
        "bindings": count("bindings").await?,
    }))
}

/// From a message to a flow whose two containers are stopped to its last output, beside `docker run` of the two images.
async fn starts() -> Result<Value> {
    let settings = [("SLUICE__ENGINE__IDLE_TIMEOUT", "1s")];
    let world = World::start_with("starts", &["timer", "log"], &settings).await?;
    let network = format!("sluice-{}", world.name);
    let flow = "---\nsluice: 1\nkind: flow\nname: woken\ntemplate: quiet\n";
    world.api.apply(&format!("{TEMPLATE}{flow}"), json!({})).await?;
    let (mut woken, mut bare) = (Vec::new(), Vec::new());
    for number in 0..=STARTS {
        let done = u64::try_from(number + 1)?;
        reached(&world, done).await?;
        eventually("the containers to stop", Duration::from_secs(120), || async {
            Ok(world.containers().await?.is_empty().then_some(()))
        })
        .await?;
        if number == STARTS {
            break;
        }
        let since = Instant::now();
        for image in ["timer", "log"] {
            // Without a boot line on its input it says so and ends: that is the least that a start can take.
            docker(&["run", "--rm", "-i", "--network", &network, &component_image(image)]).await.ok();
        }
        bare.push(since.elapsed().as_secs_f64());
        let since = Instant::now();
        world.api.call("POST", "/api/v1/flows/woken/trigger", None).await?;
        reached(&world, done + 1).await?;
        woken.push(since.elapsed().as_secs_f64());
    }
    world.stop().await?;
    let (woken, bare) = (median(&mut woken), median(&mut bare));
    Ok(
        json!({ "times": STARTS, "message_to_output_seconds": woken, "docker_run_seconds": bare, "ratio": woken / bare }),
    )
}

/// Waits until the last step ran so often.
async fn reached(world: &World, runs: u64) -> Result<()> {
    eventually("an output", Duration::from_secs(60), || async {
        let counters = world.api.counters("woken", "second").await?;
        Ok((counters["succeeded"].as_u64() >= Some(runs)).then_some(()))
    })
    .await
}
