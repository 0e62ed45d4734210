//! Versions of connectors: which is in use, and how another one comes into use.

use serde_json::{Value, json};

use crate::harness::{Server, apply};

/// A connector with an action that demands what `needs` says.
fn connector(version: &str, action: &str, needs: &str) -> String {
    format!(
        "sluice: 1
kind: connector
name: crm
version: {version}
title: CRM
variables: {{ type: object, required: [{needs}], properties: {{ url: {{ type: string }}, region: {{ type: string }} }} }}
http: {{ base_url: \"https://crm.example\" }}
actions:
  {action}:
    title: Act
    config: {{ type: object, additionalProperties: false, properties: {{ list: {{ type: string }} }} }}
    request: {{ path: /v{version} }}
triggers:
  changed:
    title: Changed
    kind: polling
    request: {{ path: /changed }}
    response: {{ result: $.response.body }}
    key: = item.id
"
    )
}

const FLOWS: &str = "sluice: 1
kind: instance
name: crm-1
connector: crm
settings: { url: here }
---
sluice: 1
kind: template
name: copy
version: 1.0.0
instances: { crm: { connector: crm } }
steps:
  - { id: changed, use: crm/changed, schedule: { every: 1h } }
  - { id: create, use: crm/create, config: { list: all } }
---
sluice: 1
kind: flow
name: copy
template: copy
instances: { crm: crm-1 }
";

async fn with_two_versions(second: &str) -> Server {
    let server = Server::start().await;
    server.install("sluice/rest:1.0.0").await;
    for text in [connector("1.0.0", "create", "url"), FLOWS.to_owned(), second.to_owned()] {
        let answer = server.call("POST", "/api/v1/apply", Some(&apply(&text))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    server
}

async fn upgrade(server: &Server, body: Value) -> (u16, Value) {
    let answer = server.call("POST", "/api/v1/connectors/crm/upgrade", Some(&body.to_string())).await;
    (answer.status, answer.json())
}

async fn in_use(server: &Server) -> Vec<String> {
    let versions = server.call("GET", "/api/v1/connectors/crm", None).await.json();
    let active = versions.as_array().unwrap().iter().filter(|one| one["active"] == true);
    active.map(|one| one["version"].as_str().unwrap().to_owned()).collect()
}

async fn version_of_flow(server: &Server) -> Value {
    server.call("GET", "/api/v1/flows/copy", None).await.json()["version"].clone()
}

#[tokio::test]
async fn a_version_comes_into_use_when_it_is_upgraded_to_and_goes_again() {
    let server = with_two_versions(&connector("1.1.0", "create", "url")).await;
    assert_eq!(in_use(&server).await, ["1.0.0"], "installing is not using");
    let (status, plan) = upgrade(&server, json!({ "dry_run": true })).await;
    assert_eq!(
        (status, &plan["from"], &plan["to"], &plan["done"]),
        (200, &json!("1.0.0"), &json!("1.1.0"), &json!(false))
    );
    assert_eq!(plan["changes"][0]["subject"], "actions.create", "{plan}");
    assert_eq!(
        (&plan["flows"][0]["name"], &plan["flows"][0]["action"]),
        (&json!("copy"), &json!("change")),
        "{plan}"
    );
    assert_eq!((in_use(&server).await, version_of_flow(&server).await), (vec!["1.0.0".to_owned()], json!(1)));

    let (status, done) = upgrade(&server, json!({})).await;
    assert_eq!((status, &done["done"]), (200, &json!(true)), "{done}");
    assert_eq!((in_use(&server).await, version_of_flow(&server).await), (vec!["1.1.0".to_owned()], json!(2)));
    let (_, again) = upgrade(&server, json!({})).await;
    assert_eq!((&again["from"], &again["flows"][0]["action"]), (&json!("1.1.0"), &json!("keep")), "{again}");
    assert_eq!(version_of_flow(&server).await, json!(2), "the same call again changes nothing");

    let (status, back) = upgrade(&server, json!({ "rollback": true })).await;
    assert_eq!((status, &back["to"]), (200, &json!("1.0.0")), "{back}");
    assert_eq!((in_use(&server).await, version_of_flow(&server).await), (vec!["1.0.0".to_owned()], json!(3)));
}

#[tokio::test]
async fn going_back_passes_over_versions_that_were_removed() {
    let server = with_two_versions(&connector("1.1.0+dev.1", "create", "url")).await;
    assert_eq!(upgrade(&server, json!({ "version": "1.1.0+dev.1" })).await.0, 200);
    assert_eq!(upgrade(&server, json!({ "version": "1.0.0" })).await.0, 200);
    let removed = server.call("DELETE", "/api/v1/connectors/crm?version=1.1.0%2Bdev.1", None).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    let (status, refused) = upgrade(&server, json!({ "rollback": true })).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("no_release_before")), "{refused}");
}

#[tokio::test]
async fn what_would_break_is_refused_with_names_and_may_be_forced() {
    let server = with_two_versions(&connector("2.0.0", "make", "url, region")).await;
    let (_, plan) = upgrade(&server, json!({ "dry_run": true })).await;
    assert!(plan["changes"][0]["breaking"] == true, "{plan}");
    assert!(plan["instances"][0]["faults"][0].as_str().unwrap().contains("region"), "{plan}");
    let found = plan["flows"][0]["diagnostics"].as_array().unwrap();
    assert!(found.iter().any(|found| found["code"] == "F0022"), "{plan}");
    let (status, refused) = upgrade(&server, json!({})).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("upgrade_breaks")), "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("flow copy") && detail.contains("instance crm-1"), "{detail}");
    assert_eq!(in_use(&server).await, ["1.0.0"]);
    let (status, forced) = upgrade(&server, json!({ "force": true })).await;
    assert_eq!((status, &forced["done"]), (200, &json!(true)), "{forced}");
    assert_eq!((in_use(&server).await, version_of_flow(&server).await), (vec!["2.0.0".to_owned()], json!(1)));
}

#[tokio::test]
async fn wrong_upgrades_are_refused() {
    let server = with_two_versions(&connector("1.1.0", "create", "url")).await;
    for (body, status, reason) in [
        (json!({ "version": "9.9.9" }), 404, Value::Null),
        (json!({ "version": "nine" }), 422, Value::Null),
        (json!({ "version": "1.1.0", "rollback": true }), 422, Value::Null),
        (json!({ "rollback": true }), 409, json!("no_release_before")),
        (json!({ "to": "1.1.0" }), 422, Value::Null),
    ] {
        let (got, problem) = upgrade(&server, body.clone()).await;
        assert_eq!((got, &problem["reason"]), (status, &reason), "{body}: {problem}");
    }
    let unknown = server.call("POST", "/api/v1/connectors/erp/upgrade", Some("{}")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    let builtin = server.call("POST", "/api/v1/connectors/sluice/upgrade", Some("{}")).await;
    assert_eq!(builtin.status, 400, "{}", builtin.text);
    let active = server.call("DELETE", "/api/v1/connectors/crm?version=1.0.0", None).await;
    assert_eq!(
        (active.status, &active.json()["reason"]),
        (409, &json!("connector_active")),
        "{}",
        active.text
    );
    let other = server.call("DELETE", "/api/v1/connectors/crm?version=1.1.0", None).await;
    assert_eq!(other.status, 204, "{}", other.text);
}
