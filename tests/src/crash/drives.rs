//! What is done so that a point is passed. Everything is tried until it succeeds, as users and senders do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Bench, Drive, id_of, letters};
use crate::load::{self, Load, Message};
use crate::{Api, HttpSink, Recorder, docker, eventually};

/// How long a drive may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages of a case.
const MESSAGES: usize = 24;

/// A polling flow, and an instance whose token has to be got.
pub(super) fn files(ticks: &str, provider: &str) -> String {
    format!(
        "sluice: 1
kind: template
name: ticks
version: 1.0.0
steps:
  - {{ id: tick, use: faulty/emit, schedule: {{ every: 1s }}, config: {{ count: 3 }}, timeout: 10s }}
  - id: out
    use: http/request
    config: {{ method: POST, url: \"{ticks}/tick\" }}
    input: {{ id: \"= 't-' & $string(body.n)\", data: t, n: $.body.n }}
    concurrency: 4
---
sluice: 1
kind: connector
name: guarded
version: 1.0.0
title: Guarded
variables: {{ type: object, properties: {{ url: {{ type: string }} }} }}
http: {{ base_url: = vars.url }}
auth:
  type: oauth2
  oauth2: {{ grant: client_credentials, token_url: = vars.url & '/token' }}
test: me
actions:
  me: {{ title: Me, request: {{ path: /me }} }}
---
sluice: 1
kind: instance
name: guarded
connector: guarded
settings: {{ url: \"{provider}\" }}
secrets: {{ client_id: {{ env: I }}, client_secret: {{ env: S }} }}
"
    )
}

/// A flow with containers that nobody else uses.
fn extra(name: &str) -> String {
    format!(
        "sluice: 1\nkind: template\nname: {name}\nversion: 1.0.0\nsteps:\n  - {{ id: stream, use: faulty/stream, config: {{ rate: 5 }}, isolation: flow }}\n  - {{ id: act, use: faulty/act, isolation: flow }}\n"
    )
}

/// What a case is made of.
pub(super) enum Plan {
    Messages(Vec<Message>),
    Ticks(usize),
    Deploy(String),
    Redrive,
    Rotate(String),
    Refresh,
}

/// What a drive works on, while somebody else restarts the orchestrator.
pub(super) struct Stage<'a> {
    pub(super) api: Api,
    pub(super) load: &'a Load,
    pub(super) ticks: &'a Recorder,
    pub(super) provider: &'a HttpSink,
}

/// What has to be there before.
pub(super) async fn prepare(bench: &mut Bench, drive: Drive) -> Result<()> {
    if drive != Drive::Redrive {
        return Ok(());
    }
    let messages = failing(bench, MESSAGES / 4, 1);
    bench.load.begin(messages, 0.0).done(PATIENCE).await?;
    let wanted = bench.letters.len();
    eventually("dead letters to send again", PATIENCE, || async {
        let there = letters(&bench.world.api, load::FLOW, Some("waiting")).await?;
        let there: BTreeSet<_> = there.iter().filter_map(id_of).collect();
        ensure!(bench.load.ledger.missing(&there).is_empty(), "{} of {wanted}", there.len());
        Ok(Some(()))
    })
    .await
}

fn failing(bench: &mut Bench, count: usize, every: usize) -> Vec<Message> {
    let mut messages = load::messages(bench.seed, bench.sent..bench.sent + count);
    bench.sent += count;
    for message in messages.iter_mut().step_by(every) {
        message.deed = Some(json!({ "do": "error" }));
        bench.letters.insert(message.id.clone());
    }
    messages
}

pub(super) fn plan(bench: &mut Bench, drive: Drive) -> Plan {
    match drive {
        Drive::Messages => {
            let range = bench.sent..bench.sent + MESSAGES;
            bench.sent += MESSAGES;
            Plan::Messages(load::messages(bench.seed, range))
        }
        Drive::Letters => Plan::Messages(failing(bench, MESSAGES, 5)),
        Drive::Ticks => Plan::Ticks(bench.ticks.bodies().len() + 6),
        Drive::Deploy => {
            bench.deployed += 1;
            Plan::Deploy(format!("extra-{}", bench.deployed))
        }
        Drive::Redrive => Plan::Redrive,
        Drive::Rotate => Plan::Rotate(bench.world.name.clone()),
        Drive::Refresh => Plan::Refresh,
    }
}

pub(super) async fn drive(stage: &Stage<'_>, plan: Plan) -> Result<()> {
    match plan {
        // A few at a time, so that there are many passes.
        Plan::Messages(messages) => stage.load.begin(messages, 60.0).done(PATIENCE).await,
        Plan::Ticks(count) => {
            eventually("more ticks", PATIENCE, || async {
                Ok((stage.ticks.bodies().len() >= count).then_some(()))
            })
            .await
        }
        Plan::Deploy(name) => deploy(&stage.api, &name).await,
        Plan::Redrive => redrive(&stage.api).await,
        Plan::Rotate(world) => rotate(&stage.api, &world).await,
        Plan::Refresh => refresh(stage).await,
    }
}

async fn deploy(api: &Api, name: &str) -> Result<()> {
    let path = format!("/api/v1/flows/{name}");
    eventually("the flow to be applied", PATIENCE, || async {
        api.apply(&extra(name), json!({})).await.map(Some)
    })
    .await?;
    eventually("the flow to run", PATIENCE, || async {
        let view = api.get(&path).await?;
        ensure!(view["status"] == "running", "{} {}", view["status"], view["reasons"]);
        Ok(Some(()))
    })
    .await?;
    eventually("its messages", PATIENCE, || async {
        let counters = api.counters(name, "act").await?;
        ensure!(counters["succeeded"].as_u64() >= Some(3), "{counters}");
        Ok(Some(()))
    })
    .await?;
    eventually("the flow to be gone", PATIENCE, || async {
        let (status, _) = api.raw("GET", &path, None).await?;
        if status != 404 {
            api.raw("DELETE", &path, None).await?;
        }
        Ok((status == 404).then_some(()))
    })
    .await
}

/// Mends each letter, and sends it again, twice.
async fn redrive(api: &Api) -> Result<()> {
    eventually("the dead letters to be sent again", PATIENCE, || async {
        let waiting = letters(api, load::FLOW, Some("waiting")).await?;
        for letter in &waiting {
            let id = letter["id"].as_str().context("no id")?;
            let path = format!("/api/v1/dead-letters/{id}");
            let mut body = letter["body"]["value"].clone();
            if let Some(body) = body.as_object_mut() {
                body.remove("do");
            }
            api.call("PATCH", &path, Some(json!({ "body": body }))).await?;
            api.call("POST", &format!("{path}/redrive"), None).await?;
            api.call("POST", &format!("{path}/redrive"), None).await?;
        }
        Ok(waiting.is_empty().then_some(()))
    })
    .await
}

async fn rotate(api: &Api, world: &str) -> Result<()> {
    eventually("the keys to be replaced", PATIENCE, || async {
        api.call("POST", "/api/v1/keys/rotate", Some(json!({ "secrets": true }))).await.map(Some)
    })
    .await?;
    // A new container asks for its secrets again.
    let (installation, name) = (format!("label=io.sluice.installation={world}"), "{{.Names}}");
    let containers = docker(&["ps", "--filter", &installation, "--format", name]).await?;
    for container in containers.lines() {
        // One that ended between these two lines asks again as well.
        docker(&["kill", container]).await.ok();
    }
    eventually("the flow to run", PATIENCE, || async {
        let view = api.get(&format!("/api/v1/flows/{}", load::FLOW)).await?;
        ensure!(view["status"] == "running", "{} {}", view["status"], view["reasons"]);
        Ok(Some(()))
    })
    .await
}

async fn refresh(stage: &Stage<'_>) -> Result<()> {
    // A container that is still there may have a token from before.
    let tokens = || stage.provider.received().iter().filter(|asked| asked.path == "/token").count();
    let before = tokens();
    eventually("the function to be called with a new token", PATIENCE, || async {
        let answer = stage.api.call("POST", "/api/v1/instances/guarded/invoke/me", Some(json!({}))).await?;
        ensure!(answer["error"].is_null() && tokens() > before, "{answer}");
        Ok(Some(()))
    })
    .await
}

/// Whether the numbers that the polling trigger emitted have no gap: each tick goes on where the one before it ended.
pub(super) fn ticks_are_whole(bodies: &[Value]) -> Result<()> {
    let numbers: BTreeSet<u64> = bodies.iter().filter_map(|body| body["n"].as_u64()).collect();
    let last = numbers.last().copied().context("no tick arrived")?;
    // What is under way now may come in any order.
    let gap = (0..last.saturating_sub(12)).find(|number| !numbers.contains(number));
    ensure!(gap.is_none(), "the polling trigger's message {gap:?} of {last} is missing");
    Ok(())
}
