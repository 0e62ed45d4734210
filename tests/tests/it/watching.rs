//! Seeing inside: what `sluice top` and the metrics say of real flows, containers and queues.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{World, eventually, program};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(120);

const FLOW: &str = "sluice: 1\nkind: template\nname: beat\nversion: 1.0.0\nsteps:\n  - { id: tick, use: timer/tick, schedule: { every: 1s } }\n  - { id: note, use: log/write }\n";

/// What `sluice top --once -o json` prints.
async fn top(world: &World) -> Result<Value> {
    let output = Command::new(program()?)
        .args(["top", "--once", "--output", "json"])
        .env("SLUICE_URL", world.api.base())
        .env("SLUICE_TOKEN", world.api.token())
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn top_and_the_metrics_tell_of_flows_containers_and_the_broker() -> Result<()> {
    let world = World::start("watching", &["timer", "log"]).await?;
    world.api.apply(FLOW, json!({})).await?;
    world.running("beat").await?;
    let board = eventually("a board with rates and what containers use", PATIENCE, || async {
        let board = top(&world).await?;
        let flow =
            board["flows"].as_array().and_then(|flows| flows.iter().find(|flow| flow["name"] == "beat"));
        let flow = flow.context("the flow is not there")?;
        let containers = board["deployments"].as_array().context("no deployments")?;
        let used = |one: &Value| one["memory_used_bytes"].as_u64() > Some(0) && one["cpus_used"].is_number();
        let rates =
            flow["taken_per_second"].as_f64() > Some(0.0) && flow["done_per_second"].as_f64() > Some(0.0);
        // The broker counts connections in its own time.
        let looked = flow["unacknowledged"].is_u64() && board["broker"]["connections"].as_u64() >= Some(3);
        Ok((containers.len() == 2 && containers.iter().all(used) && rates && looked).then_some(board))
    })
    .await?;
    assert_eq!(board["broker"]["up"], true, "{board:#}");
    assert!(board["broker"]["version"].is_string(), "{board:#}");
    assert_eq!(board["alarms"], json!([]), "{board:#}");

    let metrics = world.metrics().await?;
    for name in
        ["sluice_router_records_total", "sluice_broker_confirm_seconds_count", "sluice_router_seconds_count"]
    {
        assert!(value(&metrics, name) > Some(0.0), "{name} in {metrics}");
    }
    for name in
        ["sluice_flow_waiting_batches{flow=\"beat\"}", "sluice_broker_unconfirmed", "sluice_retries_waiting"]
    {
        assert!(value(&metrics, name).is_some(), "{name} in {metrics}");
    }
    assert!(value(&metrics, "process_resident_memory_bytes") > Some(1e6), "{metrics}");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_delivered_are_told_of() -> Result<()> {
    let world = World::start("undelivered", &["timer", "log"]).await?;
    let steps =
        "  - { id: tick, use: timer/tick, schedule: { every: 1h } }\n  - { id: note, use: log/write }\n";
    world
        .api
        .apply(&format!("sluice: 1\nkind: template\nname: beat\nversion: 1.0.0\nsteps:\n{steps}"), json!({}))
        .await?;
    world.running("beat").await?;
    let amqp = world.broker.connect().await?;
    // A lane of nobody: its deployment was never there.
    let lane = "v1.q.dep_00000000000000000000000000.00000000000000000000000000";
    amqp.publish_all("v1.lanes", lane, &[("lost".to_owned(), b"not for anybody\n".to_vec())]).await?;
    let event = eventually("an event", PATIENCE, || async {
        let events = world.api.get("/api/v1/events").await?;
        let found =
            events.as_array().into_iter().flatten().find(|event| event["type"] == "messages.undelivered");
        Ok(found.cloned())
    })
    .await?;
    assert_eq!(event["data"]["dead"], 1, "{event}");
    assert_eq!(value(&world.metrics().await?, "sluice_undelivered_total{fate=\"dead\"}"), Some(1.0));
    let log = std::fs::read_to_string(world.data().join("log"))?;
    assert!(log.contains("could not deliver messages to their steps"), "{log}");
    let ready = world.api.get("/readyz").await?;
    assert_eq!(ready["ready"], true, "an alarm makes nothing unready: {ready}");
    world.stop().await
}

/// The value of a metric, with its labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_knows_what_is_not_fit_for_production() -> Result<()> {
    let world = World::start("doctor", &[]).await?;
    let key = world.data().join("keys");
    let doctor = |arguments: &'static [&'static str]| {
        let mut command = Command::new(program().unwrap_or_default());
        command
            .arg("doctor")
            .args(arguments)
            .args(["--output", "json"])
            .envs(world.environment().iter().cloned());
        command.env("SLUICE_URL", world.api.base()).env("SLUICE_TOKEN", world.api.token());
        async move {
            let output = command.output().await?;
            let findings: Vec<Value> = serde_json::from_slice(&output.stdout)?;
            anyhow::Ok((output.status.code(), findings))
        }
    };
    let level = |findings: &[Value], code: &str| {
        let found = findings.iter().find(|finding| finding["code"] == code);
        found.and_then(|finding| finding["level"].as_str().map(str::to_owned))
    };
    let (_, sound) = doctor(&[]).await?;
    for code in ["D0001", "D0002", "D0003", "D0004", "D0005", "D0009", "D0010", "D0011"] {
        assert_eq!(level(&sound, code).as_deref(), Some("ok"), "{code} in {sound:#?}");
    }
    assert_eq!(level(&sound, "D0012").as_deref(), Some("warning"), "the first token never ends");
    std::process::Command::new("chmod").arg("644").arg(&key).status()?;
    for (arguments, expect) in [(&[][..], "warning"), (&["--production"][..], "error")] {
        let (exit, findings) = doctor(arguments).await?;
        assert_eq!(level(&findings, "D0010").as_deref(), Some(expect), "{findings:#?}");
        assert!(expect == "warning" || exit == Some(1), "{exit:?}");
    }
    // A server for production does not start like this, and says why.
    let mut command = Command::new(program()?);
    command.arg("serve").envs(world.environment().iter().cloned()).env("SLUICE__PRODUCTION", "true");
    command.env("SLUICE__API__LISTEN", "127.0.0.1:0").env("SLUICE__METRICS__LISTEN", "127.0.0.1:0");
    let output = tokio::time::timeout(PATIENCE, command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("not fit for production") && said.contains("D0010"),
        "{said}"
    );
    world.stop().await
}
