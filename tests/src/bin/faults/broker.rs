//! The broker goes away, loses its data, or takes no messages.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use sluice_tests::load::{self, Shape};
use sluice_tests::{Orchestrator, World, adopt_probe, eventually};

use crate::catalogue::{Fault, How};
use crate::node::Node;
use crate::row::Row;
use crate::stage::{Cx, Run, Setup};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long an alarm is held once everything noticed it.
const HELD: Duration = Duration::from_secs(8);
/// How long a load lasts at least that has to meet two alarms of a disk.
const LASTS: Duration = Duration::from_secs(90);

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F6",
        name: "RabbitMQ restarted in good order",
        inject: "SIGTERM to the node under load",
        undo: "it is started again",
        expected: "lost 0; first delivery within 10 s of its port being open",
        how: How::Runs(|cx| Box::pin(restarted(cx))),
    },
    Fault {
        number: "F7",
        name: "RabbitMQ killed",
        inject: "SIGKILL to the node, twice, at moments that the seed decides",
        undo: "it is started again",
        expected: "lost 0; first delivery within 10 s of its port being open",
        how: How::Runs(|cx| Box::pin(killed(cx))),
    },
    Fault {
        number: "F8",
        name: "RabbitMQ away for long",
        inject: "SIGTERM to the node under load, for 90 s (--outage)",
        undo: "it is started again",
        expected: "lost 0; the webhook answers 503 meanwhile; the orchestrator's memory grows by at most 10 %; first delivery within 10 s of its port being open",
        how: How::Runs(|cx| Box::pin(away(cx))),
    },
    Fault {
        number: "F8a",
        name: "RabbitMQ away under a component of another platform",
        inject: "SIGTERM to the node while an adopted component works, for a third of the time of F8",
        undo: "it is started again",
        expected: "lost 0; one process of the component does all of it, in one container; first delivery within 10 s of its port being open",
        how: How::Runs(|cx| Box::pin(away_from_adopted(cx))),
    },
    Fault {
        number: "F9",
        name: "RabbitMQ lost its data",
        inject: "SIGKILL under load, the data directory emptied",
        undo: "it is started again; the operator makes the virtual host; in the end the orchestrator is restarted, which else counts what was lost as under way until its retries would be over",
        expected: "what was in its queues is lost, and counted here; queues, bindings and users come back by themselves, and messages flow",
        how: How::Runs(|cx| Box::pin(data_lost(cx))),
    },
    Fault {
        number: "F17",
        name: "disk full under the broker",
        inject: "its disk filled up to the limit of its alarm; then the alarm without filling (set_disk_free_limit)",
        undo: "the disk freed; the limit put back",
        expected: "lost 0; not ready and 503 meanwhile; no container is taken for dead; first delivery within 30 s",
        how: How::Runs(|cx| Box::pin(disk_full(cx))),
    },
    Fault {
        number: "F19",
        name: "memory alarm of the broker",
        inject: "set_vm_memory_high_watermark 0 for 8 s under load",
        undo: "the watermark put back",
        expected: "as F17",
        how: How::Runs(|cx| Box::pin(memory(cx))),
    },
    Fault {
        number: "F26",
        name: "consumers cancelled by the broker",
        inject: "every lane and the source deleted while they are empty",
        undo: "none",
        expected: "lost 0; the lanes come back and are consumed within 20 s of the next message",
        how: How::Runs(|cx| Box::pin(cancelled(cx))),
    },
    Fault {
        number: "F49",
        name: "a component's lane purged",
        inject: "a purge of every lane of the flow under load, which a component's broker user could do to its own",
        undo: "as in F9",
        expected: "what was in the lanes is lost, and counted here; everything after it flows",
        how: How::Runs(|cx| Box::pin(purged(cx))),
    },
];

async fn restarted(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.somewhere(0.2, 0.5).await?;
    run.strike();
    cx.node.stop().await?;
    cx.node.up().await?;
    run.mended();
    let row = run.finish().await?;
    Ok(soon(row, 10.0))
}

async fn killed(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    for (from, to) in [(0.1, 0.3), (0.5, 0.7)] {
        run.somewhere(from, to).await?;
        run.strike();
        cx.node.kill().await?;
        cx.node.up().await?;
        run.mended();
    }
    let row = run.finish().await?;
    Ok(soon(row, 10.0))
}

fn soon(mut row: Row, seconds: f64) -> Row {
    let what = format!("first delivery within {seconds} s");
    row.check(&what, row.seconds_to_first.is_some_and(|first| first <= seconds));
    row
}

async fn away(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.3).await?;
    let pid = run.world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
    let before = Orchestrator::memory_kib(pid)?;
    run.strike();
    cx.node.stop().await?;
    not_ready(&run.world).await?;
    run.detected();
    tokio::time::sleep(cx.outage).await;
    let after = Orchestrator::memory_kib(pid)?;
    cx.node.up().await?;
    run.mended();
    let mut row = soon(run.finish().await?, 10.0);
    row.note(format!(
        "away for {} s; memory {before} KiB before, {after} KiB at its end",
        cx.outage.as_secs()
    ));
    row.check("the orchestrator's memory grows by at most 10 %", after <= before + before / 10);
    row.check("the webhook answers 503 meanwhile", row.refused.contains_key(&503));
    Ok(row)
}

async fn away_from_adopted(cx: &mut Cx) -> Result<Row> {
    let probe = "probe-sailor";
    adopt_probe("sailor-2.7.8", probe).await?;
    let shape = Shape {
        function: "probe-sailor/act",
        concurrency: 16,
        work: ", input: { do: pid, of: $.body, wait: 400 }, limits: { memory: 512MiB }",
        message: "$.body.of",
        more: ", by: $.body.pid",
        ..Shape::default()
    };
    let setup = Setup { shape, components: &[probe], share: 0.5, rate: 30.0, ..Setup::default() };
    let mut run = cx.begin(setup).await?;
    run.at(0.3).await?;
    let before = run.started().await?;
    eventually("messages in the middle of the step", PATIENCE, || async {
        let counters = run.world.api.counters(load::FLOW, "work").await?;
        Ok((counters["received"].as_u64() > counters["succeeded"].as_u64()).then_some(()))
    })
    .await?;
    run.strike();
    cx.node.stop().await?;
    not_ready(&run.world).await?;
    run.detected();
    let outage = cx.outage / 3;
    tokio::time::sleep(outage).await;
    cx.node.up().await?;
    run.mended();
    run.drained().await?;
    let after = run.started().await?;
    let bodies = run.load.recorder.bodies();
    let processes: BTreeSet<u64> = bodies.iter().filter_map(|body| body["by"].as_u64()).collect();
    let mut row = soon(run.finish().await?, 10.0);
    row.note(format!("away for {} s; {} process of the component", outage.as_secs(), processes.len()));
    row.check("one process of the component does all of it", processes.len() == 1);
    row.check("no container is taken for dead", before == after);
    Ok(row)
}

async fn not_ready(world: &World) -> Result<()> {
    eventually("the orchestrator to say that it is not ready", PATIENCE, || async {
        Ok((world.api.raw("GET", "/readyz", None).await?.0 == 503).then_some(()))
    })
    .await
}

async fn data_lost(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.row.may_lose = true;
    run.somewhere(0.3, 0.5).await?;
    run.strike();
    cx.node.kill().await?;
    cx.node.lose_data().await?;
    cx.node.up().await?;
    run.world.broker.make().await?;
    run.mended();
    let arrived = run.load.ledger.arrived();
    run.drained().await?;
    run.world.restart().await?;
    let mut row = run.finish().await?;
    row.note(format!("lost with the broker's data: {}", row.figures.lost));
    row.check("messages flow again", row.figures.delivered_unique > arrived);
    row.check("first delivery within 30 s", row.seconds_to_first.is_some_and(|first| first <= 30.0));
    Ok(row)
}

async fn disk_full(cx: &mut Cx) -> Result<Row> {
    // The broker looks at its disk every ten seconds, and tells a connection when it publishes: the load has to last.
    let rate = (cx.messages as f64 / LASTS.as_secs_f64()).min(80.0);
    let mut run = cx.begin(Setup { rate, ..Setup::default() }).await?;
    run.at(0.1).await?;
    run.strike();
    cx.node.disk().fill(30).await?;
    let alive = alarmed(&cx.node, &mut run).await?;
    cx.node.disk().free().await?;
    calm(&cx.node).await?;
    run.mended();
    run.at(0.5).await?;
    cx.node.control(&["set_disk_free_limit", "1000GB"]).await?;
    let again = alarmed(&cx.node, &mut run).await?;
    cx.node.control(&["set_disk_free_limit", "60MB"]).await?;
    calm(&cx.node).await?;
    run.mended();
    let mut row = soon(run.finish().await?, 30.0);
    row.check("no container is taken for dead", alive && again);
    row.check("the webhook answers 503 meanwhile", row.refused.contains_key(&503));
    Ok(row)
}

async fn memory(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { rate: 80.0, ..Setup::default() }).await?;
    run.somewhere(0.1, 0.4).await?;
    run.strike();
    memory_alarm(&cx.node, true).await?;
    let alive = alarmed(&cx.node, &mut run).await?;
    memory_alarm(&cx.node, false).await?;
    run.mended();
    let mut row = soon(run.finish().await?, 30.0);
    row.check("no container is taken for dead", alive);
    row.check("the webhook answers 503 meanwhile", row.refused.contains_key(&503));
    Ok(row)
}

/// Sets the alarm, or ends it, and waits until it is so.
pub(crate) async fn memory_alarm(node: &Node, on: bool) -> Result<()> {
    if on {
        node.control(&["set_vm_memory_high_watermark", "0"]).await?;
    } else {
        node.control(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
        calm(node).await?;
    }
    Ok(())
}

async fn calm(node: &Node) -> Result<()> {
    eventually("the alarm to be over", PATIENCE, || async { Ok((!node.is_alarmed().await?).then_some(())) })
        .await
}

/// Waits until the alarm is on and the orchestrator knows, and holds it. Whether every container lived through it.
async fn alarmed(node: &Node, run: &mut Run) -> Result<bool> {
    let before = run.started().await?;
    eventually("the alarm", PATIENCE, || async { Ok(node.is_alarmed().await?.then_some(())) }).await?;
    not_ready(&run.world).await?;
    run.detected();
    tokio::time::sleep(HELD).await;
    Ok(before == run.started().await?)
}

async fn cancelled(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { begins: false, share: 0.5, ..Setup::default() }).await?;
    run.strike();
    let vhost = run.world.broker.vhost().to_owned();
    let mut deleted = 0;
    for name in run.world.broker.queues().await? {
        if name.starts_with("v1.q.") || name == sluice_tests::load::SOURCE {
            run.world.broker.call("DELETE", &["queues", &vhost, &name], None).await?;
            deleted += 1;
        }
    }
    run.mended();
    run.send();
    let mut row = soon(run.finish().await?, 20.0);
    row.note(format!("{deleted} queues deleted"));
    row.check("some queues were deleted", deleted > 4);
    Ok(row)
}

async fn purged(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { rate: 300.0, ..Setup::default() }).await?;
    run.row.may_lose = true;
    run.load.recorder.slow_down(Duration::from_millis(300));
    run.at(0.2).await?;
    run.strike();
    let vhost = run.world.broker.vhost().to_owned();
    for name in run.world.broker.queues().await? {
        if name.starts_with("v1.q.") {
            run.world.broker.call("DELETE", &["queues", &vhost, &name, "contents"], None).await?;
        }
    }
    run.load.recorder.slow_down(Duration::ZERO);
    run.mended();
    run.drained().await?;
    run.world.restart().await?;
    let mut row = run.finish().await?;
    row.note(format!("lost with the purge: {}", row.figures.lost));
    row.check("messages flow again", row.seconds_to_first.is_some_and(|first| first <= 10.0));
    Ok(row)
}
