//! What comes twice, what changes under load, what is sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::load::{self, Shape};
use sluice_tests::{crash, docker, eventually};

use crate::catalogue::{Fault, How};
use crate::node::HEARTBEAT;
use crate::row::Row;
use crate::stage::{Cx, Setup};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F27",
        name: "everything delivered twice",
        inject: "the whole load sent twice with the same ids, by queue and webhook",
        undo: "none",
        expected: "each arrives once",
        how: How::Runs(|cx| Box::pin(twice(cx))),
    },
    Fault {
        number: "F27a",
        name: "container frozen for longer than its heartbeat",
        inject: "docker pause of the step's container for 20 s under load, at a heartbeat of 5 s",
        undo: "docker unpause: it comes back with what others took over",
        expected: "lost 0; what came again has its id",
        how: How::Runs(|cx| Box::pin(frozen(cx))),
    },
    Fault {
        number: "F28",
        name: "same id, another body",
        inject: "twenty deliveries to the webhook again, with another body under the same id",
        undo: "none",
        expected: "each is answered with 200 as known; what was accepted first arrives, and nothing else",
        how: How::Runs(|cx| Box::pin(another_body(cx))),
    },
    Fault {
        number: "F40",
        name: "cycle in a flow",
        inject: "a template whose steps follow each other in a circle, and one whose error route leads back",
        undo: "none",
        expected: "refused when it is applied",
        how: How::Runs(|cx| Box::pin(cycle(cx))),
    },
    Fault {
        number: "F44",
        name: "changed under load",
        inject: "version 1.1.0 of the flow applied under load",
        undo: "none",
        expected: "lost 0; each message has the mark of one version; the last ones that of the new one",
        how: How::Runs(|cx| Box::pin(changed(cx))),
    },
    Fault {
        number: "F45",
        name: "dead letters sent again, by two people at once",
        inject: "400 dead letters mended, then two requests to send all of them again, at the same time",
        undo: "none",
        expected: "each arrives once",
        how: How::Runs(|cx| Box::pin(sent_again(cx))),
    },
];

async fn twice(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { share: 0.5, ..Setup::default() }).await?;
    run.at(0.3).await?;
    run.strike();
    run.drained().await?;
    run.send();
    let mut row = run.finish().await?;
    row.check("each arrives once", row.figures.duplicated == 0);
    Ok(row)
}

async fn frozen(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.3).await?;
    let container = run.world.container("faulty").await?;
    run.strike();
    docker(&["pause", &container]).await?;
    tokio::time::sleep(Duration::from_secs(4 * HEARTBEAT)).await;
    docker(&["unpause", &container]).await?;
    run.mended();
    run.finish().await
}

async fn another_body(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { share: 0.2, ..Setup::default() }).await?;
    run.drained().await?;
    run.strike();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut answers = BTreeMap::new();
    // Those with odd numbers came by the webhook.
    for number in (1..40).step_by(2) {
        let id = format!("m-{number}");
        let body = json!({ "id": id, "data": "another" }).to_string();
        *answers.entry(load::call(&http, run.load.hook(), &id, body).await?).or_insert(0) += 1;
    }
    run.mended();
    let mut row = run.finish().await?;
    row.note(format!("answers: {answers:?}"));
    row.check("each is answered with 200 as known", answers.get(&200) == Some(&20));
    row.check("nothing arrives again", row.figures.duplicated == 0);
    Ok(row)
}

async fn cycle(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { share: 0.1, ..Setup::default() }).await?;
    run.strike();
    let circle = "sluice: 1\nkind: template\nname: circle\nversion: 1.0.0\nsteps:\n  - { id: begin, use: faulty/stream }\n  - { id: a, use: faulty/act, after: [begin, b] }\n  - { id: b, use: faulty/act, after: a }\n";
    let back = "sluice: 1\nkind: template\nname: back\nversion: 1.0.0\nsteps:\n  - { id: begin, use: faulty/stream }\n  - { id: a, use: faulty/act }\n  - { id: b, use: faulty/act, on_error: { to: a } }\n";
    let mut answers = Vec::new();
    for text in [circle, back] {
        let body = json!({ "files": [{ "name": "cycle.yaml", "text": text }] }).to_string();
        let (status, answer) = run.world.api.raw("POST", "/api/v1/apply", Some(body)).await?;
        answers.push((status, answer.to_string().contains("cycle")));
    }
    run.detected();
    run.mended();
    let flows = run.world.api.get("/api/v1/flows").await?;
    let count = flows["items"].as_array().map(Vec::len);
    let mut row = run.finish().await?;
    row.note(format!("answers: {answers:?}"));
    row.check("refused", answers.iter().all(|(status, _)| (400..500).contains(status)));
    row.check("it says that there is a cycle", answers.iter().all(|(_, told)| *told));
    row.check("no flow was made", count == Some(1));
    Ok(row)
}

async fn changed(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.somewhere(0.3, 0.5).await?;
    run.strike();
    let shape = Shape { version: "1.1.0", ..Shape::default() };
    run.load.apply(&run.world, &shape).await?;
    run.mended();
    run.drained().await?;
    let mut marks: BTreeMap<String, usize> = BTreeMap::new();
    let bodies = run.load.recorder.bodies();
    for body in &bodies {
        *marks.entry(body["v"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
    }
    let last = bodies.last().map(|body| body["v"].clone());
    let mut row = run.finish().await?;
    row.note(format!("messages by version: {marks:?}"));
    let known = marks.keys().all(|mark| ["1.0.0", "1.1.0"].contains(&mark.as_str()));
    row.check("each message has the mark of one version", known && marks.len() == 2);
    row.check("the last one that of the new one", last == Some(Value::from("1.1.0")));
    Ok(row)
}

async fn sent_again(cx: &mut Cx) -> Result<Row> {
    let share = 400.0 / cx.messages as f64;
    let deed = |_: usize| Some(json!({ "do": "error" }));
    let mut run = cx.begin(Setup { share, deed, ..Setup::default() }).await?;
    run.drained().await?;
    let count = run.count();
    let api = run.world.api.clone();
    let letters = eventually("the dead letters", Duration::from_secs(60), || async {
        let letters = crash::letters(&api, load::FLOW, Some("waiting")).await?;
        ensure!(letters.len() == count, "{} of {count}", letters.len());
        Ok(Some(letters))
    })
    .await?;
    for letter in &letters {
        let mut body = letter["body"]["value"].clone();
        body.as_object_mut().context("no body")?.remove("do");
        let path = format!("/api/v1/dead-letters/{}", letter["id"].as_str().context("no id")?);
        api.call("PATCH", &path, Some(json!({ "body": body }))).await?;
    }
    run.strike();
    let again = || api.call("POST", "/api/v1/dead-letters/redrive", None);
    let (one, other) = tokio::join!(again(), again());
    let (one, other) = (one?, other?);
    run.mended();
    let mut row = run.finish().await?;
    row.note(format!("moved on by the one {}, by the other {}", one["count"], other["count"]));
    row.check("each arrives", row.figures.delivered_unique == count);
    row.check("each arrives once", row.figures.duplicated == 0);
    Ok(row)
}
