//! Processes that die: components, the orchestrator, and all at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::{Value, json};
use sluice_tests::{docker, eventually, program};
use tokio::process::Command;

use crate::catalogue::{Fault, How};
use crate::row::Row;
use crate::stage::{Cx, Setup};
use crate::{broker, rogue};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F1",
        name: "component containers killed",
        inject: "SIGKILL to the listener's, the step's and the sender's container in turn, six times under load",
        undo: "the orchestrator starts them anew",
        expected: "lost 0; first delivery after the last kill within 10 s",
        how: How::Runs(|cx| Box::pin(containers_killed(cx))),
    },
    Fault {
        number: "F2",
        name: "a component that ends at start",
        inject: "a flow whose image ends with code 1 at once, beside the load, for 20 s",
        undo: "none",
        expected: "at most ten starts in that time; the deployment says crash_loop; its message waits; the other flow loses nothing",
        how: How::Runs(|cx| Box::pin(crash_loop(cx))),
    },
    Fault {
        number: "F3",
        name: "orchestrator killed",
        inject: "SIGKILL at four moments that the seed decides, under load",
        undo: "it is started again at once",
        expected: "lost 0; the containers are adopted, none is doubled; first delivery within 10 s",
        how: How::Runs(|cx| Box::pin(orchestrator_killed(cx))),
    },
    Fault {
        number: "F4",
        name: "orchestrator told to end",
        inject: "SIGTERM under load",
        undo: "it is started again",
        expected: "exit code 0 within 30 s; lost 0, duplicated 0",
        how: How::Runs(|cx| Box::pin(orchestrator_ended(cx))),
    },
    Fault {
        number: "F33",
        name: "two orchestrators, one data directory",
        inject: "a second `sluice serve` on the same directory, under load",
        undo: "none",
        expected: "the second is refused with a plain sentence; no container is doubled",
        how: How::Runs(|cx| Box::pin(second_orchestrator(cx))),
    },
    Fault {
        number: "F43",
        name: "deploys killed half-way",
        inject: "six flows with containers of their own applied, SIGKILL to the orchestrator 0 to 1.5 s later",
        undo: "it is started again, and the flow deleted",
        expected: "each flow comes to run; nothing stays of it",
        how: How::Runs(|cx| Box::pin(deploys_killed(cx))),
    },
    Fault {
        number: "F50",
        name: "everything at once",
        inject: "for a minute (--soak): containers, orchestrator and broker killed, memory alarms, every 3 to 8 s in an order that the seed decides",
        undo: "each as in its own row",
        expected: "lost 0",
        how: How::Runs(|cx| Box::pin(soak(cx))),
    },
];

async fn containers_killed(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    for (nth, component) in ["rabbitmq", "faulty", "http"].iter().cycle().take(6).enumerate() {
        let from = 0.1 + 0.12 * nth as f64;
        run.somewhere(from, from + 0.08).await?;
        run.strike();
        run.kill_container(component).await?;
        run.mended();
    }
    let mut row = run.finish().await?;
    row.check("first delivery within 10 s", row.seconds_to_first.is_some_and(|seconds| seconds <= 10.0));
    Ok(row)
}

async fn crash_loop(cx: &mut Cx) -> Result<Row> {
    let image = rogue::image().await?;
    let mut run = cx.begin(Setup::default()).await?;
    run.world.api.call("POST", "/api/v1/connectors", Some(json!({ "image": image }))).await?;
    run.at(0.1).await?;
    run.strike();
    run.apply(&rogue::template_of("rogue", "crashing", "")).await?;
    let since = Instant::now();
    let reason = eventually("the deployment to be in a crash loop", Duration::from_secs(60), || async {
        let deployment = run.deployment("rogue").await?;
        ensure!(deployment["status"] == "crash_loop", "{deployment}");
        Ok(Some(deployment["reason"].clone()))
    })
    .await?;
    run.detected();
    tokio::time::sleep(Duration::from_secs(20).saturating_sub(since.elapsed())).await;
    let starts =
        run.log().lines().filter(|line| line.contains("container started") && line.contains("rogue")).count();
    let window = since.elapsed().as_secs();
    run.mended();
    let waiting = waiting_in_lanes(&run.world).await?;
    // It would wait for ever.
    run.world.api.call("POST", "/api/v1/flows/crashing/stop", None).await?;
    purge_idle_lanes(&run.world).await?;
    let mut row = run.finish().await?;
    row.note(format!("{starts} starts in {window} s; its reason: {reason}"));
    row.check("at most ten starts in 20 s", (1..=10).contains(&starts));
    row.check("its message waits", waiting > 0);
    Ok(row)
}

/// Broker messages in all lanes.
async fn waiting_in_lanes(world: &sluice_tests::World) -> Result<u64> {
    // What the management API tells is some seconds old; a lane of a component that never lived only fills.
    eventually("the broker to tell of its lanes", Duration::from_secs(15), || async {
        let queues = world.broker.call("GET", &["queues", world.broker.vhost()], None).await?;
        let lane = |queue: &&Value| queue["name"].as_str().is_some_and(|name| name.starts_with("v1.q."));
        let idle = |queue: &&Value| queue["consumers"].as_u64() == Some(0);
        let lanes = queues.as_array().context("no list")?.iter().filter(lane).filter(idle);
        let waiting: u64 = lanes.filter_map(|queue| queue["messages"].as_u64()).sum();
        Ok((waiting > 0).then_some(waiting))
    })
    .await
}

/// Empties the lanes that nobody reads.
pub(crate) async fn purge_idle_lanes(world: &sluice_tests::World) -> Result<()> {
    let vhost = world.broker.vhost();
    let queues = world.broker.call("GET", &["queues", vhost], None).await?;
    for queue in queues.as_array().context("no list")? {
        let name = queue["name"].as_str().context("no name")?;
        if name.starts_with("v1.q.") && queue["consumers"].as_u64() == Some(0) {
            world.broker.call("DELETE", &["queues", vhost, name, "contents"], None).await?;
        }
    }
    Ok(())
}

async fn orchestrator_killed(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.1).await?;
    let before = run.started().await?;
    for nth in 0..4 {
        let from = 0.1 + 0.2 * f64::from(nth);
        run.somewhere(from, from + 0.15).await?;
        run.strike();
        run.world.kill_and_restart().await?;
        run.mended();
    }
    let after = run.started().await?;
    let mut row = run.finish().await?;
    row.check("the containers are adopted, none is doubled", before == after);
    row.check("first delivery within 10 s", row.seconds_to_first.is_some_and(|seconds| seconds <= 10.0));
    Ok(row)
}

async fn orchestrator_ended(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.somewhere(0.3, 0.6).await?;
    run.strike();
    let begun = Instant::now();
    let status = run.world.restart().await?;
    run.mended();
    let elapsed = begun.elapsed();
    let mut row = run.finish().await?;
    row.note(format!("down and up again in {:.1} s", elapsed.as_secs_f64()));
    row.check("exit code 0", status.success());
    row.check("within 30 s", elapsed < Duration::from_secs(30));
    row.check("duplicated = 0", row.figures.duplicated == 0);
    Ok(row)
}

async fn second_orchestrator(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.2).await?;
    let before = run.started().await?;
    run.strike();
    let other = [("SLUICE__API__LISTEN", "127.0.0.1:0"), ("SLUICE__METRICS__LISTEN", "127.0.0.1:0")];
    let mut command = Command::new(program()?);
    command.arg("serve").envs(run.world.environment().iter().cloned()).envs(other).kill_on_drop(true);
    let second = tokio::time::timeout(Duration::from_secs(40), command.output()).await;
    let second = second.context("the second orchestrator goes on")??;
    run.detected();
    run.mended();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    let after = run.started().await?;
    let mut row = run.finish().await?;
    row.check("the second is refused", !second.status.success());
    row.check("it says why", said.contains("in use by another process"));
    row.check("no container is doubled", before == after);
    Ok(row)
}

async fn deploys_killed(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { rate: 40.0, ..Setup::default() }).await?;
    run.at(0.02).await?;
    for nth in 0..6 {
        let name = format!("extra-{nth}");
        let text = format!(
            "sluice: 1\nkind: template\nname: {name}\nversion: 1.0.0\nsteps:\n  - {{ id: stream, use: faulty/stream, config: {{ rate: 5 }}, isolation: flow }}\n  - {{ id: act, use: faulty/act, isolation: flow }}\n"
        );
        run.apply(&text).await?;
        run.strike();
        let moment = Duration::from_millis(run.rng.random_range(0..1500));
        tokio::time::sleep(moment).await;
        run.world.kill_and_restart().await?;
        run.mended();
        let path = format!("/api/v1/flows/{name}");
        eventually("the flow's messages", Duration::from_secs(90), || async {
            let counters = run.world.api.counters(&name, "act").await?;
            ensure!(counters["succeeded"].as_u64() >= Some(3), "{counters}");
            Ok(Some(()))
        })
        .await?;
        run.world.api.call("DELETE", &path, None).await?;
        eventually("the flow to be gone", Duration::from_secs(90), || async {
            Ok((run.world.api.raw("GET", &path, None).await?.0 == 404).then_some(()))
        })
        .await?;
    }
    run.finish().await
}

async fn soak(cx: &mut Cx) -> Result<Row> {
    let rate = 60.0;
    let share = rate * cx.soak.as_secs_f64() / cx.messages as f64;
    let mut run = cx.begin(Setup { rate, share, ..Setup::default() }).await?;
    run.at(0.05).await?;
    let (begun, mut faults) = (Instant::now(), Vec::new());
    run.strike();
    while begun.elapsed() < cx.soak {
        let fault = ["component", "orchestrator", "broker", "alarm"][run.rng.random_range(0..4)];
        match fault {
            "component" => {
                let component = ["rabbitmq", "faulty", "http"][run.rng.random_range(0..3)];
                // It may be on its way up from the fault before; then there is nothing to kill.
                if let Ok(container) = run.world.container(component).await {
                    docker(&["kill", &container]).await.ok();
                }
            }
            "orchestrator" => run.world.kill_and_restart().await?,
            "broker" => {
                cx.node.kill().await?;
                cx.node.up().await?;
            }
            _ => {
                broker::memory_alarm(&cx.node, true).await?;
                tokio::time::sleep(Duration::from_secs(3)).await;
                broker::memory_alarm(&cx.node, false).await?;
            }
        }
        faults.push(fault);
        let pause = Duration::from_millis(run.rng.random_range(3000..8000));
        tokio::time::sleep(pause).await;
    }
    run.mended();
    // During faults the source sends less than it wants to, and makes up for nothing.
    run.enough();
    let mut row = run.finish().await?;
    row.note(told(&faults));
    row.check("everything that was begun was accepted", row.figures.attempted == row.figures.acknowledged);
    Ok(row)
}

/// How many faults there were of each kind.
fn told(faults: &[&str]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in faults {
        *kinds.entry(fault).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!("{} faults: {}", faults.len(), kinds.join(", "))
}
