//! What containers are allowed, and what they are never told.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{World, docker};

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_hardened_and_nothing_secret_shows() -> Result<()> {
    let world = World::start("hard", &["rabbitmq", "log"]).await?;
    let amqp = world.broker.connect().await?;
    amqp.queue("source", None).await?;
    let (instance, _) = world.broker_instance("shop");
    let canary = "canary-4f1c9d";
    let template = "
---
sluice: 1
kind: template
name: hard
version: 1.0.0
instances: { shop: { connector: rabbitmq } }
steps:
  - { id: listen, use: shop/listen, config: { queue: source }, limits: { memory: 64MiB, cpus: 0.5 } }
  - { id: note, use: log/write }
";
    let body = json!({
        "files": [{ "name": "hard.yaml", "text": instance + template }],
        "instances": { "shop": "shop" },
        "secrets": { "shop": { "username": "nobody", "password": canary } },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    world.running("hard").await?;
    for component in ["rabbitmq", "log"] {
        let name = world.container(component).await?;
        let text = docker(&["inspect", &name]).await?;
        assert!(!text.contains(canary) && !text.contains("sluice_run_"), "a secret in docker inspect");
        let inspected: Value = serde_json::from_str(&text)?;
        let host = &inspected[0]["HostConfig"];
        assert_eq!(host["CapDrop"], json!(["ALL"]));
        assert_eq!((&host["ReadonlyRootfs"], &host["Privileged"]), (&json!(true), &json!(false)));
        assert!(host["SecurityOpt"].to_string().contains("no-new-privileges"));
        assert!(host["Binds"].is_null() || host["Binds"] == json!([]));
        assert_eq!(inspected[0]["Config"]["User"], "10001:10001");
        assert!(host["PidsLimit"].as_i64().is_some_and(|pids| pids > 0));
    }
    let listener = docker(&[
        "inspect",
        "--format",
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}",
        &world.container("rabbitmq").await?,
    ])
    .await?;
    assert_eq!(listener, format!("{} 500000000", 64 << 20));
    let deployments = world.api.get("/api/v1/deployments").await?.to_string();
    let instances = world.api.get("/api/v1/instances/shop").await?.to_string();
    let logs = docker(&["logs", &world.container("rabbitmq").await?]).await.unwrap_or_default();
    let own = std::fs::read_to_string(world.data().join("log"))?;
    let database = std::fs::read(world.data().join("sluice.db"))?;
    for (place, text) in
        [("deployments", &deployments), ("instance", &instances), ("logs", &logs), ("own log", &own)]
    {
        assert!(!text.contains(canary), "the secret shows in {place}");
    }
    let found = database.windows(canary.len()).any(|window| window == canary.as_bytes());
    assert!(!found, "the secret is in the database in the clear");
    foreign_objects_are_refused(&world).await?;
    world.stop().await
}

/// A container's broker user, taken over, may write to its own exchange and nowhere else.
async fn foreign_objects_are_refused(world: &World) -> Result<()> {
    let users = world.broker.users(&format!("sluice-{}-", world.name)).await?;
    let user = users.first().context("no broker user")?;
    let permissions = world.broker.call("GET", &["users", user, "permissions"], None).await?;
    let rights = &permissions[0];
    assert_eq!(rights["configure"], "^$");
    for right in ["write", "read"] {
        let pattern = rights[right].as_str().unwrap_or_default();
        assert!(
            pattern.starts_with("^v1\\.") && pattern.ends_with('$') && pattern.contains("dep_"),
            "{pattern}"
        );
    }
    Ok(())
}
