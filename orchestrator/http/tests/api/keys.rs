//! The keys of secrets: seen, replaced, and removed, with interruptions at every write.

use serde_json::{Value, json};
use sluice_ports::store::CatalogueStore;

use crate::harness::Server;

const CONNECTOR: &str = "sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
http: { base_url: \"https://crm.example\" }
auth: { type: basic }
actions: { get: { title: Get, request: { path: / } } }
triggers:
  called: { title: Called, kind: webhook, signature: { preset: none } }
---
sluice: 1
kind: instance
name: crm-1
connector: crm
secrets: { username: { env: U }, password: { env: P } }
---
sluice: 1
kind: template
name: hooked
version: 1.0.0
instances: { crm: { connector: crm } }
steps:
  - { id: called, use: crm/called }
  - { id: get, use: crm/get }
---
sluice: 1
kind: flow
name: hooked
template: hooked
instances: { crm: crm-1 }
";

fn files() -> String {
    json!({
        "files": [{ "name": "crm.yaml", "text": CONNECTOR }],
        "secrets": { "crm-1": { "username": "ada", "password": "hunter2" } },
    })
    .to_string()
}

async fn with_secrets() -> Server {
    let server = Server::start().await;
    server.install("sluice/rest:1.0.0").await;
    let answer = server.call("POST", "/api/v1/apply", Some(&files())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    server
}

async fn keys(server: &Server) -> Vec<Value> {
    server.call("GET", "/api/v1/keys", None).await.json().as_array().unwrap().clone()
}

async fn rotate(server: &Server, secrets: bool) -> (u16, Value) {
    let body = json!({ "secrets": secrets }).to_string();
    let answer = server.call("POST", "/api/v1/keys/rotate", Some(&body)).await;
    (answer.status, answer.json())
}

/// Each secret is what it was: applied again, nothing changes, and the webhook has the URL that it had.
async fn url_of_hook(server: &Server) -> Value {
    let again = server.call("POST", "/api/v1/apply", Some(&files())).await.json();
    let kept = again["items"].as_array().unwrap().iter().all(|item| item["action"] == "keep");
    assert!(kept, "{again}");
    server.call("GET", "/api/v1/flows/hooked/hooks", None).await.json()[0]["urls"].clone()
}

fn of_kind(keys: &[Value], kind: &str) -> Vec<(String, bool, u64)> {
    let of_kind = keys.iter().filter(|key| key["kind"] == kind);
    let one = |key: &Value| {
        let id = key["id"].as_str().unwrap().to_owned();
        (id, key["current"] == true, key["seals"].as_u64().unwrap())
    };
    of_kind.map(one).collect()
}

#[tokio::test]
async fn keys_are_replaced_and_old_ones_removed() {
    let server = with_secrets().await;
    let url = url_of_hook(&server).await;
    let before = keys(&server).await;
    let (master, data) = (of_kind(&before, "master"), of_kind(&before, "data"));
    assert_eq!((master.len(), data.len(), data[0].2), (1, 1, 3), "{before:?}");
    let (status, rotated) = rotate(&server, false).await;
    assert_eq!(
        (status, &rotated["rewrapped"], &rotated["resealed"]),
        (200, &json!(1), &json!(0)),
        "{rotated}"
    );
    assert_eq!(rotated["data"], json!([data[0].0]));
    let (_, rotated) = rotate(&server, true).await;
    assert_eq!((&rotated["rewrapped"], &rotated["resealed"]), (&json!(1), &json!(3)), "{rotated}");
    let after = keys(&server).await;
    let (masters, data) = (of_kind(&after, "master"), of_kind(&after, "data"));
    assert_eq!((masters.len(), data.len(), data[0].2), (3, 1, 3), "the old data key is gone: {after:?}");
    assert_eq!(url_of_hook(&server).await, url);
    for (id, current, seals) in &masters {
        let removed = server.call("DELETE", &format!("/api/v1/keys/{id}"), None).await;
        assert_eq!(removed.status, if *current { 409 } else { 204 }, "{id} seals {seals}: {}", removed.text);
    }
    assert_eq!(keys(&server).await.len(), 2);
    assert_eq!(url_of_hook(&server).await, url);
    for unknown in ["nothing", &data[0].0] {
        let removed = server.call("DELETE", &format!("/api/v1/keys/{unknown}"), None).await;
        assert_eq!(removed.status, 404, "{unknown}: {}", removed.text);
    }
}

#[tokio::test]
async fn a_rotation_that_was_interrupted_anywhere_is_finished_by_the_next() {
    for writes in 0..=8 {
        let server = with_secrets().await;
        let url = url_of_hook(&server).await;
        let old = of_kind(&keys(&server).await, "data")[0].0.clone();
        server.store.fail_writes_after(Some(writes));
        let (status, first) = rotate(&server, true).await;
        server.store.fail_writes_after(None);
        assert_eq!(url_of_hook(&server).await, url, "after {writes} writes everything can be read");
        let done = status == 200;
        assert!(done || status == 503, "{first}");
        if !done {
            let (status, second) = rotate(&server, true).await;
            assert_eq!(status, 200, "{second}");
        }
        let after = keys(&server).await;
        let (masters, data) = (of_kind(&after, "master"), of_kind(&after, "data"));
        assert_eq!((data.len(), data[0].2), (1, 3), "after {writes} writes: {after:?}");
        assert_ne!(data[0].0, old);
        assert!(masters.len() <= 3, "no key is made in vain: {after:?}");
        assert_eq!(url_of_hook(&server).await, url);
        assert!(writes < 8 || done, "eight writes are all");
    }
}

#[tokio::test]
async fn an_old_secret_that_is_put_back_does_not_open() {
    let server = with_secrets().await;
    let name = "crm-1".parse().unwrap();
    let before = server.store.instance(&name).await.unwrap().unwrap();
    let newer = files().replace("hunter2", "hunter3");
    assert_eq!(server.call("POST", "/api/v1/apply", Some(&newer)).await.status, 200);
    let mut after = server.store.instance(&name).await.unwrap().unwrap();
    assert_eq!(rotate(&server, true).await.0, 200);
    let rotated = server.store.instance(&name).await.unwrap().unwrap();
    assert_eq!(rotated.instance, after.instance, "what is sealed anew is the same secret");

    after.secrets.insert("password".to_owned(), before.secrets["password"].clone());
    server.store.put_instance(&after).await.unwrap();
    let (status, answer) = rotate(&server, true).await;
    assert_eq!((status, &answer["reason"]), (409, &json!("secret_damaged")), "{answer}");
}
