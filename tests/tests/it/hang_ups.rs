//! Who asks for a change and hangs up before the answer: what is stored of it comes to run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sluice_tests::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(90);

const TEMPLATE: &str = "sluice: 1\nkind: template\nname: left\nversion: 1.0.0\nsteps:\n  \
                        - { id: stream, use: faulty/stream, config: { rate: 5 } }\n  - { id: act, use: faulty/act }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_caller_hung_up_is_made_to_its_end() -> Result<()> {
    if !cfg!(debug_assertions) {
        // A release build cannot be held at the moment that counts.
        return Ok(());
    }
    let mut world = World::start("hang-up", &["faulty"]).await?;
    held_at(&mut world, "apply_after_flow").await?;
    let files = json!({ "files": [{ "name": "left.yaml", "text": TEMPLATE }] });
    hang_up(&world, "apply_after_flow", "/api/v1/apply", Some(files.to_string())).await?;
    world.running("left").await?;
    let counters = eventually("the flow's messages", PATIENCE, || async {
        let counters = world.api.counters("left", "act").await?;
        ensure!(counters["succeeded"].as_u64() >= Some(3), "{counters}");
        Ok(Some(counters))
    });
    counters.await?;

    held_at(&mut world, "intent_after_store").await?;
    world.running("left").await?;
    hang_up(&world, "intent_after_store", "/api/v1/flows/left/stop", None).await?;
    eventually("the flow to be stopped", PATIENCE, || async {
        let view = world.api.get("/api/v1/flows/left").await?;
        ensure!(view["status"] == "stopped", "{} {}", view["status"], view["reasons"]);
        Ok(Some(()))
    })
    .await?;
    world.stop().await
}

/// Starts the orchestrator so that it stays at a point for some seconds, once.
async fn held_at(world: &mut World, point: &str) -> Result<()> {
    world.kill().await?;
    world.launch(&[("SLUICE_FAILPOINT", &format!("{point}=delay:5s@1"))])?;
    ensure!(world.ready(PATIENCE).await?, "it does not start");
    Ok(())
}

/// Asks for a change, and hangs up when it is at the point.
async fn hang_up(world: &World, point: &str, path: &str, body: Option<String>) -> Result<()> {
    let log: PathBuf = world.data().join("log");
    let what = format!("the point {point}");
    let at_it = eventually(&what, PATIENCE, || async {
        let log = std::fs::read_to_string(&log)?;
        Ok(log.contains(&format!("failpoint {point} struck")).then_some(()))
    });
    // What is not awaited any more closes its connection.
    tokio::select! {
        answer = world.api.raw("POST", path, body) => {
            // A machine that is busy enough looks at the log too late; then nobody hung up, and the change is made all the same.
            let (status, answer) = answer.context("the change was not asked for")?;
            ensure!((200..300).contains(&status), "{status} {answer}");
            Ok(())
        }
        at_it = at_it => at_it,
    }
}
