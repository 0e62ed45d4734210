//! Messages and components that do harm.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::load::{self, Shape};
use sluice_tests::{crash, docker, eventually};

use crate::catalogue::{Fault, How};
use crate::host;
use crate::rogue;
use crate::row::Row;
use crate::stage::{Cx, Run, Setup};

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F21",
        name: "component killed for its memory",
        inject: "two messages whose step takes 600 MiB, where a container may have 256 MiB",
        undo: "none",
        expected: "two dead letters that tell of the memory; everything else delivered",
        how: How::Runs(|cx| Box::pin(memory(cx))),
    },
    Fault {
        number: "F22",
        name: "poison that kills its container, many at a time",
        inject: "three messages whose step aborts the process, concurrency 32",
        undo: "none",
        expected: "three dead letters with reason and exit code; no innocent one among them",
        how: How::Runs(|cx| Box::pin(poison(cx, 32))),
    },
    Fault {
        number: "F22a",
        name: "poison that kills its container, one at a time",
        inject: "three messages whose step aborts the process, concurrency 1",
        undo: "none",
        expected: "three dead letters with reason and exit code; no innocent one among them",
        how: How::Runs(|cx| Box::pin(poison(cx, 1))),
    },
    Fault {
        number: "F23",
        name: "poison that hangs for ever",
        inject: "two messages whose step parks its thread, timeout 3 s, two attempts",
        undo: "none",
        expected: "two dead letters; everything else delivered",
        how: How::Runs(|cx| Box::pin(stuck(cx, "hang"))),
    },
    Fault {
        number: "F24",
        name: "poison that is busy for ever",
        inject: "two messages whose step spins, timeout 3 s, two attempts",
        undo: "none",
        expected: "two dead letters; everything else delivered",
        how: How::Runs(|cx| Box::pin(stuck(cx, "spin"))),
    },
    Fault {
        number: "F25",
        name: "slow consumer",
        inject: "the other side takes 0.5 s for each message, the source sends 400 a second; high watermark 20 batches",
        undo: "the other side is quick again",
        expected: "lost 0; the webhook answers 429; nothing is dropped",
        how: How::Runs(|cx| Box::pin(slow(cx))),
    },
    Fault {
        number: "F38",
        name: "huge messages",
        inject: "webhook: 0.9, 1.1, 9, 11 and 64 MiB; source queue: 1.1 and 16 MiB; beside the load",
        undo: "none",
        expected: "the first is accepted, the others are refused with 413, or cut off above 10 MiB; no container restarts; the load is untouched",
        how: How::Runs(|cx| Box::pin(huge(cx))),
    },
    Fault {
        number: "F39",
        name: "message bomb",
        inject: "one message whose step emits 20,000, beside the load",
        undo: "none",
        expected: "all of them pass; the broker's memory stays below its watermark; the load loses nothing",
        how: How::Runs(|cx| Box::pin(bomb(cx))),
    },
    Fault {
        number: "F41",
        name: "log flood",
        inject: "a component that writes to its standard output as fast as it can, for 10 s, beside the load",
        undo: "the flow deleted",
        expected: "its log on the disk stays below 12 MiB; the load loses nothing",
        how: How::Runs(|cx| Box::pin(shouting(cx))),
    },
    Fault {
        number: "F42",
        name: "processes and files without end",
        inject: "a component that forks and opens files as fast as it can, for 10 s, beside the load",
        undo: "the flow deleted",
        expected: "it gets at most 128 processes; the load loses nothing",
        how: How::Runs(|cx| Box::pin(forking(cx))),
    },
];

async fn letters(run: &Run) -> Result<Vec<Value>> {
    crash::letters(&run.world.api, load::FLOW, Some("waiting")).await
}

async fn memory(cx: &mut Cx) -> Result<Row> {
    let deed = |number: usize| matches!(number, 40 | 81).then(|| json!({ "do": "oom", "mib": 600 }));
    let mut run = cx.begin(Setup { deed, share: 0.5, ..Setup::default() }).await?;
    run.strike();
    run.drained().await?;
    let letters = letters(&run).await?;
    let told = letters.iter().filter(|letter| letter["exit"]["out_of_memory"] == true).count();
    let mut row = run.finish().await?;
    row.check("two dead letters", row.figures.dead == 2 && letters.len() == 2);
    row.check("they tell of the memory", told == 2);
    Ok(row)
}

async fn poison(cx: &mut Cx, concurrency: u32) -> Result<Row> {
    let deed = |number: usize| matches!(number, 30 | 101 | 170).then(|| json!({ "do": "abort" }));
    let shape = Shape { concurrency, ..Shape::default() };
    let mut run = cx.begin(Setup { deed, shape, share: 0.5, ..Setup::default() }).await?;
    run.strike();
    run.drained().await?;
    // The more often a container ended, the longer the next one is held back: nothing may come for minutes.
    let all = eventually("three dead letters", 3 * PATIENCE, || async {
        let letters = letters(&run).await?;
        ensure!(letters.len() >= 3, "{} dead letters", letters.len());
        Ok(Some(letters))
    });
    let letters = match all.await {
        Ok(letters) => letters,
        Err(_) => letters(&run).await?,
    };
    let told = |letter: &&Value| letter["reason"] == "crashed" && letter["exit"]["code"].as_i64() > Some(0);
    let told = letters.iter().filter(told).count();
    let ids: Vec<_> = letters.iter().filter_map(crash::id_of).collect();
    let why = |letter: &Value| format!("{} {}", letter["reason"], letter["exit"]["code"]);
    let whys: Vec<_> = letters.iter().map(why).collect();
    let innocent = ids.iter().filter(|id| !["m-30", "m-101", "m-170"].contains(&id.as_str())).count();
    let mut row = run.finish().await?;
    row.note(format!("reasons and exit codes: {}", whys.join(", ")));
    row.check("three dead letters", row.figures.dead == 3);
    row.check("each has its reason and exit code", told == 3);
    row.check("no innocent one among them", innocent == 0);
    Ok(row)
}

async fn stuck(cx: &mut Cx, how: &'static str) -> Result<Row> {
    let deed: fn(usize) -> Option<Value> = match how {
        "hang" => |number| matches!(number, 40 | 81).then(|| json!({ "do": "hang" })),
        _ => |number| matches!(number, 40 | 81).then(|| json!({ "do": "spin" })),
    };
    let shape =
        Shape { work: ", timeout: 3s, retry: { attempts: 2, initial: 1s, max: 2s }", ..Shape::default() };
    let mut run = cx.begin(Setup { deed, shape, share: 0.5, ..Setup::default() }).await?;
    run.strike();
    run.drained().await?;
    let letters = letters(&run).await?;
    let mut row = run.finish().await?;
    row.note(format!("{}", letters.iter().map(|letter| letter["reason"].clone()).collect::<Value>()));
    row.check("two dead letters", row.figures.dead == 2 && letters.len() == 2);
    Ok(row)
}

async fn slow(cx: &mut Cx) -> Result<Row> {
    let settings = [("SLUICE__ENGINE__HIGH_WATERMARK", "20"), ("SLUICE__ENGINE__LOW_WATERMARK", "5")];
    let mut run =
        cx.begin(Setup { settings: &settings, rate: 400.0, begins: false, ..Setup::default() }).await?;
    run.load.recorder.slow_down(Duration::from_millis(500));
    run.send();
    run.strike();
    let refused = eventually("the webhook to answer 429", Duration::from_secs(60), || async {
        Ok(run.load.refusals().contains_key(&429).then_some(()))
    })
    .await;
    run.detected();
    run.load.recorder.slow_down(Duration::ZERO);
    run.mended();
    let mut row = run.finish().await?;
    row.check("the webhook answers 429", refused.is_ok());
    Ok(row)
}

async fn huge(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.1).await?;
    let before = run.started().await?;
    run.strike();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let mut answers = Vec::new();
    for kib in [900, 1130, 9 << 10, 11 << 10, 64 << 10] {
        // Not of the load: nothing of it may arrive but what is accepted, and that is in the books.
        let id = format!("huge-{kib}");
        let data = "x".repeat(kib << 10);
        let body = json!({ "id": id, "data": data }).to_string();
        run.load.ledger.attempts(&id, &data)?;
        // A server that refuses early may close before all of it is sent; then there is no status.
        let status = load::call(&http, run.load.hook(), &id, body).await.ok();
        if status.is_some_and(|status| (200..300).contains(&status)) {
            run.load.ledger.accepted(&id, &data)?;
        }
        answers.push((kib, status));
    }
    let amqp = run.world.broker.connect().await?;
    for kib in [1130, 16 << 10] {
        let body = json!({ "id": "no", "data": "x".repeat(kib << 10) }).to_string().into_bytes();
        amqp.publish_all("", load::SOURCE, &[(format!("huge-queue-{kib}"), body)]).await?;
    }
    amqp.close().await?;
    run.mended();
    run.drained().await?;
    let after = run.started().await?;
    let mut row = run.finish().await?;
    row.note(format!("answers by KiB: {answers:?}"));
    row.check("the first is accepted", answers[0].1 == Some(202));
    let refused =
        |kib: usize, status: Option<u16>| status == Some(413) || (status.is_none() && kib > 10 << 10);
    let all = answers[1..].iter().all(|(kib, status)| refused(*kib, *status));
    row.check("the others are refused with 413", all);
    row.check("no container restarts", before == after);
    Ok(row)
}

async fn bomb(cx: &mut Cx) -> Result<Row> {
    const COUNT: u64 = 20_000;
    let mut run = cx.begin(Setup { rate: 60.0, ..Setup::default() }).await?;
    run.at(0.1).await?;
    run.strike();
    run.apply(&format!(
        "sluice: 1\nkind: template\nname: bomb\nversion: 1.0.0\nsteps:\n  - {{ id: one, use: faulty/stream, config: {{ count: 1, body: {{ do: flood, count: {COUNT}, bytes: 500, stream: true }} }} }}\n  - {{ id: burst, use: faulty/act, isolation: flow, timeout: 10m }}\n  - {{ id: after, use: faulty/act, isolation: flow, concurrency: 64 }}\n"
    ))
    .await?;
    let mut most = 0;
    let begun = Instant::now();
    loop {
        let nodes = run.world.broker.call("GET", &["nodes"], None).await?;
        most = most.max(nodes[0]["mem_used"].as_u64().unwrap_or_default());
        let counters = run.world.api.counters("bomb", "after").await?;
        if counters["succeeded"].as_u64() >= Some(COUNT) {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE * 2, "the bomb does not pass: {counters}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    run.mended();
    let counters = run.world.api.counters("bomb", "after").await?;
    let mut row = run.finish().await?;
    row.note(format!(
        "{COUNT} through in {:.0} s, the broker's memory at most {} MiB",
        begun.elapsed().as_secs_f64(),
        most >> 20
    ));
    row.check("all of them pass, none twice", counters["received"] == COUNT);
    row.check("the broker's memory stays below its watermark of 1 GB", most < 1_000_000_000);
    Ok(row)
}

/// Installs a rogue component and gives it a flow; its container once it runs.
async fn rogue_container(run: &Run, name: &str, deed: &str) -> Result<String> {
    let image = rogue::build(name, deed).await?;
    run.world.api.call("POST", "/api/v1/connectors", Some(json!({ "image": image }))).await?;
    run.apply(&rogue::template_of(name, name, "")).await?;
    run.world.container(name).await
}

/// Ends a rogue flow, whose one message nobody ever took.
async fn end_rogue(run: &Run, name: &str) -> Result<()> {
    run.world.api.call("POST", &format!("/api/v1/flows/{name}/stop"), None).await?;
    let container = run.world.container(name).await.ok();
    if let Some(container) = container {
        docker(&["kill", &container]).await.ok();
    }
    crate::processes::purge_idle_lanes(&run.world).await
}

async fn shouting(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { rate: 80.0, ..Setup::default() }).await?;
    run.at(0.1).await?;
    run.strike();
    let container = rogue_container(&run, "shouting", "shout").await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let id = docker(&["inspect", "--format", "{{.Id}}", &container]).await?;
    let root = docker(&["info", "--format", "{{.DockerRootDir}}"]).await?;
    let folder = format!("{root}/containers/{id}");
    let kib = host::run("du", &["-sk", &folder]).await?;
    let kib: u64 = kib.split_whitespace().next().context("no size")?.parse()?;
    end_rogue(&run, "shouting").await?;
    run.mended();
    let mut row = run.finish().await?;
    row.note(format!("its log takes {kib} KiB after 10 s"));
    row.check("its log stays below 12 MiB", (64..12 * 1024).contains(&kib));
    Ok(row)
}

async fn forking(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { rate: 80.0, ..Setup::default() }).await?;
    run.at(0.1).await?;
    run.strike();
    let container = rogue_container(&run, "forking", "fork").await?;
    let mut most = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        let listed = docker(&["top", &container, "-eo", "pid"]).await.unwrap_or_default();
        most = most.max(listed.lines().count().saturating_sub(1));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    end_rogue(&run, "forking").await?;
    run.mended();
    let mut row = run.finish().await?;
    row.note(format!("at most {most} processes were seen"));
    row.check("it gets at most 128 processes, and many of them", (64..=128).contains(&most));
    Ok(row)
}
