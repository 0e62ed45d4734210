//! Flows of other platforms go all the way: imported, validated, bound, deployed by the commands that the guides and the files
//! name, and run, with their components as they are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{World, eventually, program};
use tokio::process::Command;

use crate::families::probes;

const PATIENCE: Duration = Duration::from_secs(90);

/// The record of the probe, which flows here call `probe`.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../components/bridge/probe/component.json");

/// Runs a command as a person does, in a folder; what it wrote.
async fn sluice(world: &World, folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program()?);
    command
        .args(arguments)
        .current_dir(folder)
        .env("SLUICE_URL", world.api.base())
        .env("SLUICE_TOKEN", world.api.token())
        .env("PROBE_EU_PASSWORD", "good")
        .env("MAIN_PASSWORD", "good")
        .env_remove("SLUICE_CONFIG")
        .kill_on_drop(true);
    let output = command.output().await?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {}{}", said(&output.stdout), said(&output.stderr));
    Ok(said(&output.stdout))
}

/// Imports a document, validates what comes of it, binds its instance, and deploys it by the first line of its template.
async fn deploy(world: &World, import: &[&str], document: &Value, flow: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    std::fs::write(folder.join("flow.json"), document.to_string())?;
    sluice(world, folder, &[&["import"][..], import, &["flow.json", "--out", "flows"]].concat()).await?;
    sluice(world, folder, &["validate", "flows", "--components", "flows/components"]).await?;
    let flows = folder.join("flows");
    for entry in std::fs::read_dir(&flows)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".instance.yaml") {
            fill_in(&flows.join(&name))?;
            sluice(world, &flows, &["apply", "-f", &name]).await?;
        }
    }
    let template = std::fs::read_to_string(flows.join(format!("{flow}.template.yaml")))?;
    let command = template.lines().next().and_then(|line| line.strip_prefix("# sluice apply "));
    let command = command.with_context(|| format!("no command in {template}"))?.replace("=VALUE", "=Ada");
    let words: Vec<&str> = command.split(' ').collect();
    sluice(world, &flows, &[&["plan"][..], &words].concat()).await?;
    sluice(world, &flows, &[&["apply"][..], &words, &["--wait"]].concat()).await?;
    world.running(flow).await
}

/// What the guides ask of a person.
fn fill_in(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    ensure!(text.contains("CHANGE_ME"), "{text}");
    std::fs::write(file, text.replace("CHANGE_ME", "somebody")).map_err(Into::into)
}

/// What a step of a flow emitted in the execution that begins with this message of its trigger.
async fn emitted(world: &World, flow: &str, step: &str) -> Result<Value> {
    eventually(&format!("what {step} of {flow} emits"), PATIENCE, || async {
        let executions = world.api.get(&format!("/api/v1/executions?flow={flow}")).await?;
        for execution in executions["items"].as_array().into_iter().flatten() {
            let id = execution["id"].as_str().context("no id")?;
            let detail = world.api.get(&format!("/api/v1/executions/{id}")).await?;
            let runs = detail["step_runs"].as_array().cloned().unwrap_or_default();
            ensure!(runs.iter().all(|run| run["error"].is_null()), "{detail}");
            if let Some(run) = runs.iter().find(|run| run["step"] == step && run["status"] == "succeeded") {
                return Ok(Some(run["output"]["value"][0]["body"].clone()));
            }
        }
        Ok(None)
    })
    .await
}

/// A flow of elastic.io: a trigger that polls, a router, steps with mappings, credentials with a name.
fn orders() -> Value {
    let credentials = json!({ "credentialId": "615709ccb0bc08001129de87", "credentialName": "Probe EU" });
    json!({ "data": { "type": "flow", "id": "f1", "attributes": {
        "name": "Orders to CRM", "default_mapper_type": "jsonata", "cron": "0 0 1 1 *",
        "graph": {
            "nodes": [
                { "id": "step_1", "command": "acme/probe:count@latest", "fields": { "page": 10 }, "credentials_id": credentials },
                { "id": "step_2", "command": "elasticio/router:route@latest", "service": "router" },
                { "id": "step_3", "command": "acme/probe:act", "fields": { "size": "= $.x" }, "credentials_id": credentials },
                { "id": "step_4", "command": "acme/probe:act", "credentials_id": credentials },
                { "id": "step_5", "command": "acme/probe:act", "credentials_id": credentials },
            ],
            "edges": [
                { "source": "step_1", "target": "step_2" },
                { "source": "step_2", "target": "step_3", "config": { "condition": "count > 0", "mapper": {
                    "do": "\"echo\"", "double": "count * 2", "kind": "count = 1 ? 'one' : 'more'" } } },
                { "source": "step_2", "target": "step_4", "config": { "mapper": { "do": "\"exit\"", "code": 3 } } },
                { "source": "step_3", "target": "step_5", "config": { "mapper": { "do": "\"echo\"",
                    "double": "input.double", "count": "elasticio.step_1.body.count",
                    "kind": "$getPassthrough().\"step_3\".body.input.kind" } } },
            ],
        },
    } } })
}

/// A recipe of elastic.io: a webhook, and a variable that who deploys it gives.
fn greetings() -> Value {
    json!({ "data": { "type": "recipe", "attributes": {
        "info": { "title": "Greetings" },
        "declarations": { "variables": [{ "id": "name", "title": "Name" }] },
        "flow_templates": [{ "title": "Greet", "graph": {
            "nodes": [{ "id": "in", "command": "elasticio/webhook:receive" },
                { "id": "greet", "command": "acme/probe:act", "credentials_id": "main" }],
            "edges": [{ "source": "in", "target": "greet", "config": { "mapper": {
                "do": "\"echo\"", "text": "greeting & ' ' & $getFlowVariables().name" } } }],
        } }],
    } } })
}

/// A flow of the Open Integration Hub with its component: a timer before an action, transformations.
fn persons() -> Value {
    let record = std::fs::read_to_string(RECORD).unwrap_or_default();
    let descriptor: Value = serde_json::from_str(&record).unwrap_or_default();
    let before = "{ 'data': { 'do': 'echo', 'of': data.input.n, 'first': passthrough.make.data.input.n } }";
    json!([
        { "id": "c0ffee00c0ffee00c0ffee00", "name": "probe", "distribution": { "type": "docker", "image": "acme/probe:1" },
          "access": "public", "descriptor": descriptor },
        { "name": "Persons", "cron": "0 0 1 1 *", "graph": {
            "nodes": [
                { "id": "make", "componentId": "c0ffee00c0ffee00c0ffee00", "function": "act", "nodeSettings": {
                    "applyTransform": "before", "transformFunction": "{ 'data': { 'do': 'echo', 'n': 7 } }" } },
                { "id": "keep", "componentId": "c0ffee00c0ffee00c0ffee00", "function": "act", "nodeSettings": {
                    "applyTransform": "before", "transformFunction": before } },
            ],
            "edges": [{ "source": "make", "target": "keep" }],
        } },
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_of_other_platforms_are_imported_bound_deployed_and_run() -> Result<()> {
    probes().await?;
    let components = ["timer", "rest", "probe-sailor", "probe-ferryman"];
    let world = World::start("imports", &components).await?;

    let sailor = ["elasticio", "--connector", "probe=probe-sailor", "--component", RECORD];
    deploy(&world, &sailor, &orders(), "orders-to-crm").await?;
    world.api.call("POST", "/api/v1/flows/orders-to-crm/trigger", Some(json!({}))).await?;
    let third = emitted(&world, "orders-to-crm", "step_3").await?;
    let expect = json!({ "do": "echo", "double": 2, "kind": "one" });
    ensure!(third["input"] == expect, "{third}");
    let config = json!({ "size": "= $.x", "user": "somebody", "password": "good" });
    ensure!(third["cfg"] == config, "{third}");
    let fifth = emitted(&world, "orders-to-crm", "step_5").await?;
    ensure!(fifth["input"] == json!({ "do": "echo", "double": 2, "count": 1, "kind": "one" }), "{fifth}");

    deploy(&world, &sailor, &greetings(), "greetings").await?;
    let hooks = world.api.get("/api/v1/flows/greetings/hooks").await?;
    let path = hooks[0]["urls"][0]["path"].as_str().context("no URL")?;
    world.api.call("POST", path, Some(json!({ "greeting": "Hello" }))).await?;
    let greeted = emitted(&world, "greetings", "greet").await?;
    ensure!(greeted["input"] == json!({ "do": "echo", "text": "Hello Ada" }), "{greeted}");

    let ferryman = ["oih", "--connector", "c0ffee00c0ffee00c0ffee00=probe-ferryman"];
    deploy(&world, &ferryman, &persons(), "persons").await?;
    world.api.call("POST", "/api/v1/flows/persons/trigger", Some(json!({}))).await?;
    let kept = emitted(&world, "persons", "keep").await?;
    ensure!(kept["input"] == json!({ "do": "echo", "of": 7, "first": 7 }), "{kept}");
    world.stop().await
}
