//! The container engine, one of this program's own.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_tests::load::COMPONENTS;
use sluice_tests::{Orchestrator, component_image, docker, eventually};

use crate::catalogue::{Fault, How};
use crate::daemon::Daemon;
use crate::host;
use crate::row::Row;
use crate::stage::{Cx, Setup};

const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F14",
        name: "container engine restarted",
        inject: "SIGTERM to dockerd under load; its containers end with it",
        undo: "it is started again",
        expected: "lost 0; each container once afterwards; first delivery within 20 s",
        how: How::Runs(|cx| Box::pin(restarted(cx, false))),
    },
    Fault {
        number: "F14a",
        name: "container engine restarted, with live-restore",
        inject: "SIGTERM to dockerd under load; its containers live on",
        undo: "it is started again",
        expected: "lost 0; no container restarts; messages flow all the while",
        how: How::Runs(|cx| Box::pin(restarted(cx, true))),
    },
    Fault {
        number: "F15",
        name: "container engine killed while it makes containers",
        inject: "five flows with containers of their own applied, SIGKILL to dockerd at once",
        undo: "it is started again",
        expected: "every flow comes to run, no container twice; nothing stays",
        how: How::Runs(|cx| Box::pin(killed(cx))),
    },
    Fault {
        number: "F16",
        name: "image missing",
        inject: "the image and the container of the step removed from the engine; no registry can be reached",
        undo: "the image loaded again",
        expected: "the step's container is not started from anything else, and the deployment says why; the others stay; lost 0",
        how: How::Runs(|cx| Box::pin(image_missing(cx))),
    },
];

async fn restarted(cx: &mut Cx, live_restore: bool) -> Result<Row> {
    let mut daemon = Daemon::start(&COMPONENTS, live_restore).await?;
    let mut run = cx.begin(Setup::default()).await?;
    run.somewhere(0.2, 0.4).await?;
    let before = run.started().await?;
    run.strike();
    daemon.stop().await?;
    let arrived = run.load.ledger.arrived();
    if live_restore {
        // Nobody needs the engine for messages.
        run.at((arrived as f64 / run.count() as f64 + 0.1).min(0.9)).await?;
    }
    daemon.up().await?;
    run.mended();
    run.drained().await?;
    let after = run.started().await?;
    let names = |of: &std::collections::BTreeMap<String, String>| of.keys().cloned().collect::<BTreeSet<_>>();
    let same = names(&before) == names(&after);
    let unchanged = before == after;
    let mut row = run.finish().await?;
    row.check("each container is there once", same);
    if live_restore {
        row.check("no container restarts", unchanged);
    } else {
        row.check("first delivery within 20 s", row.seconds_to_first.is_some_and(|first| first <= 20.0));
    }
    Ok(row)
}

async fn killed(cx: &mut Cx) -> Result<Row> {
    let mut daemon = Daemon::start(&COMPONENTS, false).await?;
    let mut run = cx.begin(Setup { rate: 60.0, ..Setup::default() }).await?;
    run.at(0.1).await?;
    for nth in 0..5 {
        let text = format!(
            "sluice: 1\nkind: template\nname: extra-{nth}\nversion: 1.0.0\nsteps:\n  - {{ id: stream, use: faulty/stream, config: {{ rate: 5 }}, isolation: flow }}\n  - {{ id: act, use: faulty/act, isolation: flow }}\n"
        );
        run.apply(&text).await?;
    }
    run.strike();
    daemon.kill().await?;
    daemon.up().await?;
    run.mended();
    eventually("every flow's messages", PATIENCE, || async {
        for nth in 0..5 {
            let counters = run.world.api.counters(&format!("extra-{nth}"), "act").await?;
            ensure!(counters["succeeded"].as_u64() >= Some(3), "extra-{nth}: {counters}");
        }
        Ok(Some(()))
    })
    .await?;
    run.drained().await?;
    // Three of the load, one of each flow.
    let settled = eventually("eight containers", PATIENCE, || async {
        let there = run.world.containers().await?.len();
        ensure!(there == 8, "{there} containers");
        Ok(Some(()))
    })
    .await;
    // Their sources never end, so their lanes would never be empty.
    for nth in 0..5 {
        run.world.api.call("POST", &format!("/api/v1/flows/extra-{nth}/stop"), None).await?;
    }
    let mut row = run.finish().await?;
    row.check("every flow has its containers once", settled.is_ok());
    Ok(row)
}

async fn image_missing(cx: &mut Cx) -> Result<Row> {
    let daemon = Daemon::start(&COMPONENTS, false).await?;
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.3).await?;
    run.strike();
    // An image that is in use cannot be removed, so nobody may start the container again in between.
    let container = run.world.container("faulty").await?;
    let pid = run.world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?.to_string();
    host::run("kill", &["-STOP", &pid]).await?;
    let removed = async {
        docker(&["rm", "-f", &container]).await?;
        docker(&["rmi", "-f", &component_image("faulty")]).await
    };
    let removed = removed.await;
    host::run("kill", &["-CONT", &pid]).await?;
    removed?;
    let reason = eventually("the deployment to say why", PATIENCE, || async {
        let deployment = run.deployment("faulty").await?;
        let reason = deployment["reason"].as_str().unwrap_or_default().to_owned();
        ensure!(reason.contains("image"), "{deployment}");
        // What the engine answers to that is no business of the table.
        Ok(Some(reason.split(": Docker responded").next().unwrap_or_default().to_owned()))
    })
    .await?;
    run.detected();
    let others = run.world.containers().await?;
    daemon.load().await?;
    run.mended();
    let mut row = run.finish().await?;
    row.note(reason);
    row.check("the other containers stay", others.len() == 2);
    Ok(row)
}
