//! A CRUD API of others (json-server), read by polling and written by calls: each created or changed record comes once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::node::Server;
use sluice_tests::workload::{self, SINK};
use sluice_tests::{Orchestrator, World, eventually};

const RECORDS: usize = 10_000;
/// What the container of `rest` may use at most while all records pass through it. An empty one uses about 12 MiB.
const MEMORY_MIB: u64 = 64;

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: contacts
version: 1.0.0
title: Contacts
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
actions:
  create:
    title: Create a contact
    input: { type: object, required: [name] }
    request: { method: POST, path: /contacts, body: { value: { name: $.input.name } } }
  get: { title: Get a contact, request: { path: "/contacts/{id}", path_params: { id: $.input.id } } }
  rename:
    title: Rename a contact
    input: { type: object, required: [id, name] }
    request:
      method: PATCH
      path: /contacts/{id}
      path_params: { id: $.input.id }
      body: { value: { name: $.input.name } }
  delete:
    title: Delete a contact
    request: { method: DELETE, path: "/contacts/{id}", path_params: { id: $.input.id } }
triggers:
  changed:
    title: New and changed contacts
    kind: polling
    request: { path: /contacts, query: { updated_at_gte: $.cursor, _sort: "updated_at,id", _page: 1, _limit: 500 } }
    pagination: { type: link }
    key: $.item.id
    incremental: { value: $.item.updated_at }
"#;

const FLOW: &str = r#"
---
sluice: 1
kind: template
name: contacts
version: 1.0.0
instances:
  api: { connector: contacts }
  shop: { connector: rabbitmq }
steps:
  - { id: changed, use: api/changed, schedule: { every: 1s } }
  - { id: sink, use: shop/publish, config: { exchange: "", routing_key: sink }, concurrency: 64 }
"#;

/// What came to the sink.
#[derive(Default)]
struct Ledger {
    /// How often each version of each contact came.
    contacts: BTreeMap<(u64, String), u32>,
    /// The ids of the messages. One that comes again with its id came again after a kill, as is promised.
    ids: BTreeSet<String>,
}

impl Ledger {
    /// Notes a message, unless it is one that came before.
    fn note(&mut self, id: String, body: &[u8]) {
        if !self.ids.insert(id) {
            return;
        }
        let contact: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = contact["id"].as_u64().unwrap_or_default();
        let version = contact["updated_at"].as_str().unwrap_or_default().to_owned();
        *self.contacts.entry((id, version)).or_default() += 1;
    }
}

/// Takes messages from the sink until `count` different ones came in all.
async fn arrived(world: &World, ledger: &mut Ledger, count: usize) -> Result<()> {
    let amqp = world.broker.connect().await?;
    let take = amqp.drain(SINK, |id, body| {
        ledger.note(id, &body);
        ledger.contacts.len() >= count
    });
    let in_time = tokio::time::timeout(Duration::from_secs(120), take).await;
    in_time.with_context(|| format!("{} of {count} came", ledger.contacts.len()))??;
    // What this one got and did not take lies in the queue again.
    amqp.close().await
}

/// Takes what lies at the sink now.
async fn rest(world: &World, ledger: &mut Ledger) -> Result<()> {
    let amqp = world.broker.connect().await?;
    let mut left = amqp.depth(SINK).await?;
    if left > 0 {
        let take = amqp.drain(SINK, |id, body| {
            ledger.note(id, &body);
            left -= 1;
            left == 0
        });
        tokio::time::timeout(Duration::from_secs(120), take).await.context("what lies at the sink")??;
    }
    amqp.close().await
}

async fn invoke(world: &World, action: &str, input: Value) -> Result<Value> {
    let path = format!("/api/v1/instances/contacts/invoke/{action}");
    let invoked = world.api.call("POST", &path, Some(json!({ "input": input }))).await?;
    ensure!(invoked["status"] == "succeeded", "{invoked}");
    Ok(invoked["outputs"][0]["body"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_crud_api_comes_once_over_changes_and_restarts() -> Result<()> {
    let mut world = World::start("crud", &["rest", "rabbitmq"]).await?;
    let api =
        Server::start("json-server", &[("HOST", &world.host), ("RECORDS", &RECORDS.to_string())]).await?;
    workload::queues(&world).await?;
    let (shop, secrets) = world.broker_instance("shop");
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: contacts\nconnector: contacts\nsettings: {{ url: \"{}\" }}\n",
        api.url().as_str().trim_end_matches('/')
    );
    let body = json!({
        "files": [{ "name": "contacts.yaml", "text": format!("{CONNECTOR}---\n{shop}{instance}{FLOW}") }],
        "instances": { "shop": "shop", "api": "contacts" }, "secrets": secrets,
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    let mut ledger = Ledger::default();
    arrived(&world, &mut ledger, RECORDS).await?;
    let peak = Orchestrator::peak_kib(world.process("rest").await?)? / 1024;
    println!("{RECORDS} records, the container of rest had at most {peak} MiB");
    assert!(peak < MEMORY_MIB, "{peak} MiB");

    // Created and changed while it runs, while it is down, and after; one is gone before it is seen.
    for number in 0..20 {
        invoke(&world, "create", json!({ "name": format!("new {number}") })).await?;
        invoke(&world, "rename", json!({ "id": 500 * (number + 1), "name": "renamed" })).await?;
    }
    arrived(&world, &mut ledger, RECORDS + 40).await?;
    world.kill_and_restart().await?;
    let created = invoke(&world, "create", json!({ "name": "after the restart" })).await?;
    let id = created["id"].as_u64().context("no id")?;
    assert_eq!(invoke(&world, "get", json!({ "id": id })).await?["name"], "after the restart");
    arrived(&world, &mut ledger, RECORDS + 41).await?;
    invoke(&world, "delete", json!({ "id": id })).await?;
    let missing = world
        .api
        .call("POST", "/api/v1/instances/contacts/invoke/get", Some(json!({ "input": { "id": id } })))
        .await?;
    assert_eq!(missing["error"]["code"], "http_404", "{missing}");
    // The next poll finds nothing new.
    let before = world.api.get("/api/v1/flows/contacts").await?["steps"][0]["counters"]["succeeded"].clone();
    eventually("two more polls", Duration::from_secs(120), || async {
        let flow = world.api.get("/api/v1/flows/contacts").await?;
        let succeeded = flow["steps"][0]["counters"]["succeeded"].as_u64().unwrap_or_default();
        Ok((succeeded >= before.as_u64().unwrap_or_default() + 2).then_some(()))
    })
    .await?;
    // A message may come again after the kill, with its id; a record that came as a second message came twice.
    rest(&world, &mut ledger).await?;
    let twice: Vec<_> = ledger.contacts.iter().filter(|(_, count)| **count > 1).take(3).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(ledger.contacts.len(), RECORDS + 41);
    world.stop().await
}
