//! Two tenants with the same files: each has its own containers, secrets and messages.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::{HttpSink, World, eventually};

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
auth: { type: api_key, name: X-Key }
actions:
  push: { title: Push, request: { method: POST, path: /push, body: { value: $.input } } }
"#;

const FILES: &str = r#"
sluice: 1
kind: instance
name: main
connector: crm
settings: { url: "URL" }
secrets: { api_key: { env: KEY } }
---
sluice: 1
kind: template
name: sync
version: 1.0.0
instances: { crm: { connector: crm } }
steps:
  - { id: tick, use: timer/tick, schedule: { every: 1s } }
  - { id: push, use: crm/push }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn tenants_share_files_and_nothing_else() -> Result<()> {
    let world = World::start("tenants", &["rest", "timer"]).await?;
    let sink = HttpSink::start().await?;
    world.api.apply(CONNECTOR, json!({})).await?;
    for tenant in ["acme", "other"] {
        let text = FILES.replace("URL", &sink.url(&world.host));
        let body = json!({
            "files": [{ "name": "sync.yaml", "text": text }],
            "secrets": { "main": { "api_key": format!("key-of-{tenant}") } },
            "instances": { "crm": "main" },
        });
        world.api.of_tenant(tenant).call("POST", "/api/v1/apply", Some(body)).await?;
    }
    eventually("both to push", Duration::from_secs(90), || async {
        let keys: BTreeSet<String> =
            sink.received().iter().filter_map(|one| one.headers.get("x-key").cloned()).collect();
        Ok((keys == BTreeSet::from(["key-of-acme".to_owned(), "key-of-other".to_owned()])).then_some(()))
    })
    .await?;
    // One `rest` and one `timer` of each.
    assert_eq!(world.containers().await?.len(), 4);

    // One ends; the other goes on as if nothing had been.
    let other = world.api.of_tenant("other");
    other.call("DELETE", "/api/v1/flows/sync", None).await?;
    eventually("the flow and its containers to be gone", Duration::from_secs(90), || async {
        let (status, _) = other.raw("GET", "/api/v1/flows/sync", None).await?;
        Ok((status == 404 && world.containers().await?.len() == 2).then_some(()))
    })
    .await?;
    let before = sink.received().len();
    eventually("the other to push on", Duration::from_secs(120), || async {
        Ok((sink.received().len() > before + 1).then_some(()))
    })
    .await?;
    let late = sink.received().split_off(before);
    for one in &late {
        let key = one.headers.get("x-key").map(String::as_str);
        ensure!(key == Some("key-of-acme"), "{key:?} after its flow was deleted");
    }
    world.stop().await
}
