//! Components of other platforms in flows beside ours: images as their builders make them, adopted, on their real libraries.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, World, adopt_probe, docker, eventually};

const PATIENCE: Duration = Duration::from_secs(90);

/// The probe on a library of each platform, as components.
const PROBES: [(&str, &str); 2] = [("sailor-2.7.8", "probe-sailor"), ("ferryman-2.4.7", "probe-ferryman")];

/// Makes components of the probe, once.
pub(crate) async fn probes() -> Result<()> {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    MADE.get_or_try_init(async || {
        for (library, name) in PROBES {
            adopt_probe(library, name).await?;
        }
        Ok(())
    })
    .await
    .copied()
}

fn template(url: &str) -> String {
    format!(
        r#"
sluice: 1
kind: template
name: mixed
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - id: many
    use: probe-sailor/act
    input: {{ do: many, count: = body.times }}
  - {{ id: note, use: log/write }}
  - id: echo
    use: probe-ferryman/act
    input: {{ do: echo, n: $.steps.many.body.n }}
  - id: post
    use: http/request
    input: {{ n: $.body.input.n }}
    config: {{ method: POST, url: "{url}/n" }}
"#
    )
}

/// The outputs that history has of a run of `many` that emitted some and stands so.
async fn recorded(world: &World, status: &str) -> Result<Value> {
    eventually(&format!("the step run that is {status}, with outputs"), PATIENCE, || async {
        let executions = world.api.get("/api/v1/executions?flow=mixed").await?;
        for execution in executions["items"].as_array().into_iter().flatten() {
            let id = execution["id"].as_str().unwrap_or_default();
            let detail = world.api.get(&format!("/api/v1/executions/{id}")).await?;
            let is = |run: &&Value| run["step"] == "many" && run["status"] == status;
            let run = detail["step_runs"].as_array().into_iter().flatten().find(is);
            let output = run.map(|run| &run["output"]["value"]).filter(|output| output[0].is_object());
            if let Some(output) = output {
                return Ok(Some(output.clone()));
            }
        }
        Ok(None)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn components_of_other_platforms_run_in_flows_beside_ours() -> Result<()> {
    probes().await?;
    let world = World::start("families", &["timer", "log", "http", "probe-sailor", "probe-ferryman"]).await?;
    let sink = HttpSink::start().await?;
    world.api.apply(&template(&sink.url(&world.host)), json!({})).await?;
    let send = async |count: u64| {
        let body = json!({ "body": { "times": count } });
        world.api.call("POST", "/api/v1/flows/mixed/trigger", Some(body)).await
    };
    let came = |least: u64, most: u64| {
        let sink = &sink;
        move || async move {
            let came: Vec<u64> = sink.received().iter().filter_map(|one| one.body["n"].as_u64()).collect();
            Ok((least..most).all(|n| came.contains(&n)).then_some(came))
        }
    };
    send(3).await?;
    let came_once = eventually("what passed through both", PATIENCE, came(0, 3)).await?;
    ensure!(came_once.len() == 3, "each comes once: {came_once:?}");

    // History has what was emitted as it has what other functions return.
    let outputs = recorded(&world, "succeeded").await?;
    let numbers: Vec<&Value> =
        outputs.as_array().into_iter().flatten().map(|output| &output["body"]["n"]).collect();
    ensure!(numbers == [&json!(0), &json!(1), &json!(2)] && outputs[0]["port"] == "out", "{outputs}");

    // The component is killed while it emits: its inputs come again, so nothing is lost.
    send(2000).await?;
    eventually("some of what is emitted", PATIENCE, || async { Ok((sink.count() > 20).then_some(())) })
        .await?;
    let container = world.container("probe-sailor").await?;
    docker(&["kill", &container]).await?;
    eventually("all of it", PATIENCE * 2, came(0, 2000)).await?;

    // What a step does not know is a dead letter that says why.
    let failing = template(&sink.url(&world.host))
        .replace("do: many, count: = body.times", "do: fail, why: no such order");
    world.api.apply(&failing.replace("version: 1.0.0", "version: 1.1.0"), json!({})).await?;
    send(1).await?;
    eventually("the dead letter", PATIENCE, || async {
        let letters = world.api.get("/api/v1/dead-letters?flow=mixed").await?;
        let says = |letter: &&Value| {
            letter["error"]["message"].as_str().is_some_and(|text| text.contains("no such order"))
        };
        Ok(letters["items"].as_array().into_iter().flatten().find(says).map(|_| ()))
    })
    .await?;
    let outputs = recorded(&world, "dead").await?;
    ensure!(outputs[0]["body"] == json!({ "before": true }), "{outputs}");
    world.stop().await
}

/// A flow whose step does what its messages say, and posts what came of it.
fn obeying(url: &str) -> String {
    format!(
        r#"
sluice: 1
kind: template
name: obeying
version: 1.0.0
steps:
  - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}
  - {{ id: act, use: probe-sailor/act, when: = $exists(body.do), input: = body }}
  - {{ id: post, use: http/request, config: {{ method: POST, url: "{url}/act" }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_action_remembers_outlives_its_container_and_its_version() -> Result<()> {
    probes().await?;
    let world = World::start("families", &["timer", "http", "probe-sailor"]).await?;
    let sink = HttpSink::start().await?;
    let template = obeying(&sink.url(&world.host));
    world.api.apply(&template, json!({})).await?;
    // What the step answers to what it is told, once its run has ended.
    let told = async |what: Value| {
        let done = async || -> Result<u64> {
            Ok(world.api.counters("obeying", "act").await?["succeeded"].as_u64().unwrap_or_default())
        };
        let (before, done_before) = (sink.count(), done().await?);
        world.api.call("POST", "/api/v1/flows/obeying/trigger", Some(json!({ "body": what }))).await?;
        eventually("the answer of the step, and the end of its run", PATIENCE, || async {
            let ended = done().await? > done_before;
            Ok(sink.received().get(before).filter(|_| ended).map(|answer| answer.body.clone()))
        })
        .await
    };
    let remembers = async |expected: Value| {
        let said = told(json!({ "do": "echo" })).await?;
        ensure!(said["snapshot"] == expected, "it remembers {said}, not {expected}");
        Ok(())
    };
    remembers(json!({})).await?;
    told(json!({ "do": "remember", "what": { "a": 1 } })).await?;
    world.end_container("probe-sailor", "KILL").await?;
    remembers(json!({ "a": 1 })).await?;
    told(json!({ "do": "remember", "what": { "b": 2 } })).await?;
    let changed = template
        .replace("version: 1.0.0", "version: 1.1.0")
        .replace("input: = body", "input: = body, timeout: 50s");
    world.api.apply(&changed, json!({})).await?;
    remembers(json!({ "a": 1, "b": 2 })).await?;
    // A flow that is made again begins with nothing.
    world.api.call("DELETE", "/api/v1/flows/obeying", None).await?;
    eventually("the end of the flow", PATIENCE, || async {
        let flows = world.api.get("/api/v1/flows").await?;
        Ok(flows["items"].as_array().is_some_and(Vec::is_empty).then_some(()))
    })
    .await?;
    world.api.apply(&changed, json!({})).await?;
    remembers(json!({})).await?;
    world.stop().await
}
