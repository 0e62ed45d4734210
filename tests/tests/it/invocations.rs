//! Running one function of an instance outside any flow.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Received, World, docker, eventually};

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
auth: { type: api_key, name: X-Key }
test: me
actions:
  me:
    title: Who am I
    request: { path: /me }
  create:
    title: Create a contact
    input: { type: object, required: [name], properties: { name: { type: string } } }
    request: { method: POST, path: /contacts, body: { value: { name: $.input.name } } }
  all:
    title: All contacts
    request: { path: /contacts }
    response: { result: $.response.body.items }
    pagination: { type: page, param: page, size_param: size, size: 2 }
triggers:
  changed:
    title: Changed
    kind: polling
    request: { path: /contacts, query: { since: $.cursor } }
    response: { result: $.response.body.items }
    key: $.item.id
    incremental: { value: $.item.id, format: number }
"#;

fn answer(request: &Received) -> (u16, Value) {
    if request.headers.get("x-key").map(String::as_str) != Some("canary-4711") {
        return (401, json!({ "error": "no key" }));
    }
    match request.path.as_str() {
        "/me" => (200, json!({ "name": "ada" })),
        "/contacts" if request.body.is_object() => (201, json!({ "id": 9, "key": "canary-4711" })),
        path if path.contains("page=2") => (200, json!({ "items": [{ "id": 3 }] })),
        _ => (200, json!({ "items": [{ "id": 1 }, { "id": 2 }] })),
    }
}

async fn apply(world: &World, sink: &HttpSink, key: &str) -> Result<()> {
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: crm-main\nconnector: crm\nsettings: {{ url: \"{}\" }}\nsecrets: {{ api_key: {{ env: K }} }}\n",
        sink.url(&world.host)
    );
    let body = json!({
        "files": [{ "name": "crm.yaml", "text": format!("{CONNECTOR}{instance}") }],
        "secrets": { "crm-main": { "api_key": key } },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_run_outside_flows_by_the_path_of_a_live_step() -> Result<()> {
    let world = World::start("invoke", &["rest"]).await?;
    let sink = HttpSink::start().await?;
    sink.answer(answer);
    apply(&world, &sink, "canary-4711").await?;
    assert!(world.containers().await?.is_empty(), "a connector starts nothing");

    let invoke = |function: &str, body: Value| {
        let path = format!("/api/v1/instances/crm-main/invoke/{function}");
        let api = world.api.clone();
        async move { api.call("POST", &path, Some(body)).await }
    };
    let created = invoke("create", json!({ "input": { "name": "Ann" }, "raw": true })).await?;
    assert_eq!((&created["status"], &created["outputs"][0]["body"]["id"]), (&json!("succeeded"), &json!(9)));
    let exchange = &created["exchanges"][0];
    assert_eq!(
        (&exchange["request"]["headers"]["x-key"], &exchange["response"]["status"]),
        (&json!("***"), &json!(201))
    );
    assert!(!exchange.to_string().contains("canary-4711"), "{exchange}");
    let all = invoke("all", json!({})).await?;
    assert_eq!(all["outputs"].as_array().map(Vec::len), Some(3), "{all}");
    let polled = invoke("changed", json!({ "input": null })).await?;
    assert_eq!(polled["outputs"].as_array().map(Vec::len), Some(2), "{polled}");
    assert!(polled["state"].is_object(), "{polled}");
    assert_eq!(world.containers().await?.len(), 1);

    // A flow that shares the container which invocations keep running can be deleted all the same.
    let flow = "sluice: 1\nkind: template\nname: watch\nversion: 1.0.0\ninstances: { crm: { connector: crm } }\nsteps:\n  - { id: changed, use: crm/changed, schedule: { every: 1h } }\n  - { id: who, use: crm/me }\n";
    let body =
        json!({ "files": [{ "name": "watch.yaml", "text": flow }], "instances": { "crm": "crm-main" } });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    world.running("watch").await?;
    world.api.call("DELETE", "/api/v1/flows/watch", None).await?;
    eventually("the flow to be gone", Duration::from_secs(120), || async {
        let (status, _) = world.api.raw("GET", "/api/v1/flows/watch", None).await?;
        Ok((status == 404).then_some(()))
    })
    .await?;
    assert_eq!(world.containers().await?.len(), 1);

    // What does not fit is refused before anything runs.
    let asked = sink.received().len();
    for (function, body, status) in [
        ("create", json!({ "input": { "nom": 1 } }), 400),
        ("create", json!({ "input": { "name": "x" }, "timeout_seconds": 500 }), 422),
        ("creat", json!({}), 404),
        ("me", json!({ "inputs": 1 }), 422),
    ] {
        let path = format!("/api/v1/instances/crm-main/invoke/{function}");
        let (got, answer) = world.api.raw("POST", &path, Some(body.to_string())).await?;
        assert_eq!(got, status, "{answer}");
    }
    assert_eq!(sink.received().len(), asked);

    let tested = world.api.call("POST", "/api/v1/instances/crm-main/test", None).await?;
    assert_eq!(tested["status"], "succeeded", "{tested}");
    // What a person changes counts from the next run on, also in the container that has the old.
    apply(&world, &sink, "wrong-0815").await?;
    let tested = world.api.call("POST", "/api/v1/instances/crm-main/test", None).await?;
    assert_eq!(
        (&tested["status"], &tested["error"]["code"]),
        (&json!("failed"), &json!("http_401")),
        "{tested}"
    );

    let container = world.container("rest").await?;
    let inspected = docker(&["inspect", &container]).await?;
    let log = std::fs::read_to_string(world.data().join("log"))?;
    for canary in ["canary-4711", "wrong-0815"] {
        assert!(!inspected.contains(canary) && !log.contains(canary));
    }
    world.stop().await
}
