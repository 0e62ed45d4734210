//! A connector that is one file: polled page by page, each record once, and written back by an action.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Received, World, eventually};

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
auth: { type: basic }
actions:
  copy:
    title: Write a copy
    input: { type: object, required: [id] }
    request:
      method: PUT
      path: /copies/{id}
      body: { format: form, value: { id: $.input.id, version: $.input.version } }
triggers:
  changed:
    title: Changed contacts
    kind: polling
    request: { path: /contacts, query: { since: $.cursor } }
    response: { result: $.response.body.items }
    pagination: { type: page, param: page, size_param: size, size: 100 }
    key: $.item.id
    incremental: { value: $.item.changed_at, format: unix }
"#;

const FLOW: &str = r#"
---
sluice: 1
kind: template
name: copies
version: 1.0.0
instances:
  crm: { connector: crm }
steps:
  - { id: changed, use: crm/changed, schedule: { every: 1s } }
  - { id: copy, use: crm/copy, concurrency: 8 }
"#;

/// Contacts by id: when they changed, and their version.
type Contacts = Arc<Mutex<BTreeMap<u64, (u64, u64)>>>;

/// The API: a list in the order of change, page by page, for those who know the password.
fn answer(contacts: &Contacts, request: &Received) -> (u16, Value) {
    if request.headers.get("authorization").map(String::as_str) != Some("Basic YWRhOnMzY3JldA==") {
        return (401, json!({ "error": "who are you?" }));
    }
    let Some(query) = request.path.strip_prefix("/contacts?") else { return (200, Value::Null) };
    let query: BTreeMap<String, u64> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect();
    let number =
        |name: &str| usize::try_from(query.get(name).copied().unwrap_or_default()).unwrap_or_default();
    let since = query.get("since").copied().unwrap_or_default();
    let contacts = contacts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut found: Vec<_> = contacts.iter().filter(|(_, (changed, _))| *changed >= since).collect();
    found.sort_by_key(|(id, (changed, _))| (*changed, **id));
    let items: Vec<Value> = found
        .into_iter()
        .skip((number("page") - 1) * number("size"))
        .take(number("size"))
        .map(|(id, (changed, version))| json!({ "id": id, "changed_at": changed, "version": version }))
        .collect();
    (200, json!({ "items": items }))
}

/// How often each version of each contact was written back.
fn copies(sink: &HttpSink) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for one in sink.received().iter().filter(|one| one.path.starts_with("/copies/")) {
        *copies.entry(one.body.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    copies
}

async fn arrived(sink: &HttpSink, count: usize) -> Result<()> {
    eventually(&format!("{count} copies"), Duration::from_secs(120), || async {
        Ok((copies(sink).len() >= count).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_declarative_connector_arrives_once_over_changes_and_a_restart() -> Result<()> {
    let mut world = World::start("declarative", &["rest"]).await?;
    let contacts: Contacts = Arc::new(Mutex::new((0..250).map(|id| (id, (1000 + id / 10, 1))).collect()));
    let sink = HttpSink::start().await?;
    let api = contacts.clone();
    sink.answer(move |request| answer(&api, request));
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: crm\nconnector: crm\nsettings: {{ url: \"{}\" }}\nsecrets: {{ username: {{ env: U }}, password: {{ env: P }} }}\n",
        sink.url(&world.host)
    );
    let body = json!({
        "files": [{ "name": "crm.yaml", "text": format!("{CONNECTOR}{instance}{FLOW}") }],
        "instances": { "crm": "crm" }, "secrets": { "crm": { "username": "ada", "password": "s3cret" } },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    arrived(&sink, 250).await?;
    assert_eq!(world.containers().await?.len(), 1);

    // Five change, at the very time of the last change too, and the orchestrator is restarted.
    {
        let mut contacts = contacts.lock().ok().context("poisoned")?;
        for id in 0..5 {
            contacts.insert(id, (1024 + id, 2));
        }
    }
    world.restart().await?;
    arrived(&sink, 255).await?;
    let polls =
        |sink: &HttpSink| sink.received().iter().filter(|one| one.path.starts_with("/contacts?")).count();
    let seen = polls(&sink);
    eventually("three more polls", Duration::from_secs(120), || async {
        Ok((polls(&sink) >= seen + 3).then_some(()))
    })
    .await?;
    let copies = copies(&sink);
    assert_eq!(copies.len(), 255);
    assert_eq!(copies.get("id=3&version=2"), Some(&1), "{copies:?}");
    let twice: Vec<_> = copies.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let log = std::fs::read_to_string(world.data().join("log"))?;
    assert!(!log.contains("s3cret"));
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_file_with_faults_is_refused_with_all_of_them() -> Result<()> {
    let world = World::start("declared", &["rest"]).await?;
    let text = CONNECTOR.replace("title: CRM", "titel: CRM").replace("type: basic", "type: basik");
    let (status, answer) = world
        .api
        .raw(
            "POST",
            "/api/v1/apply",
            Some(json!({ "files": [{ "name": "c.yaml", "text": text }] }).to_string()),
        )
        .await?;
    assert_eq!(status, 422, "{answer}");
    let lines: Vec<&Value> =
        answer["diagnostics"].as_array().context("no diagnostics")?.iter().map(|one| &one["line"]).collect();
    assert!(lines.contains(&&json!(6)) && lines.contains(&&json!(9)), "{answer}");
    world.stop().await
}
