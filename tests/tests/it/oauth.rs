//! The life of an authorisation, against a real OpenID provider.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::workload::{SINK, SOURCE};
use sluice_tests::{Amqp, Oidc, World, docker, eventually, workload};

const SECRET: &str = "canary-client-secret-1729";
const APP_KEY: &str = "canary-app-key-4104";
const TOKEN_SECONDS: u32 = 3600;

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: contacts
version: 1.0.0
title: Contacts
variables:
  type: object
  required: [url]
  properties: { url: { type: string }, account: { type: string }, told: { type: boolean } }
http: { base_url: = vars.url }
auth:
  all:
    - type: oauth2
      oauth2:
        authorize_url: = vars.url & '/auth'
        token_url: = vars.url & '/token'
        revoke_url: = vars.url & '/token/revocation'
        issuer: = vars.url
        scopes: [openid, offline_access, contacts.read]
        authorize_params: { prompt: consent }
        expiring_seconds: 5
        on_authorize: { script: remember }
        on_revoke: me
    - { type: api_key, name: X-App-Key, secret: app_key }
scripts:
  remember:
    code: |
      (input) => ({ settings: { account: invoke('me').account, told: typeof input.token_response === 'object' } })
test: me
actions:
  me: { title: Me, request: { path: /me } }
"#;

const FLOW: &str = r#"
---
sluice: 1
kind: template
name: who
version: 1.0.0
instances:
  shop: { connector: rabbitmq }
  api: { connector: contacts }
steps:
  - { id: listen, use: shop/listen, config: { queue: source, prefetch: 200 } }
  - { id: me, use: api/me, concurrency: 50, retry: { attempts: 2, initial: 1s } }
  - { id: sink, use: shop/publish, config: { exchange: "", routing_key: sink }, concurrency: 50 }
"#;

/// A world with the instance `contacts` and the flow `who`, which is not authorised yet.
async fn world() -> Result<(World, Oidc, Amqp)> {
    let world = World::start("oauth", &["rest", "rabbitmq"]).await?;
    let oidc = Oidc::start(&world.host, SECRET, TOKEN_SECONDS).await?;
    oidc.pull(&format!("/admin/app-key?key={APP_KEY}")).await?;
    let amqp = workload::queues(&world).await?;
    let (shop, mut secrets) = world.broker_instance("shop");
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: contacts\nconnector: contacts\nsettings: {{ url: \"{}\" }}\nsecrets: {{ client_id: {{ env: I }}, client_secret: {{ env: S }}, app_key: {{ env: K }} }}\n",
        oidc.url()
    );
    secrets["contacts"] = json!({ "client_id": "sluice", "client_secret": SECRET, "app_key": APP_KEY });
    let body = json!({
        "files": [{ "name": "who.yaml", "text": format!("{CONNECTOR}---\n{shop}{instance}{FLOW}") }],
        "instances": { "shop": "shop", "api": "contacts" }, "secrets": secrets,
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    Ok((world, oidc, amqp))
}

async fn link(world: &World) -> Result<String> {
    let todo = world.api.call("POST", "/api/v1/instances/contacts/authorize", None).await?;
    Ok(todo["url"].as_str().context("no link")?.to_owned())
}

async fn authorize(world: &World, oidc: &Oidc) -> Result<()> {
    let (status, page) = oidc.sign_in(&link(world).await?, "ada").await?;
    ensure!(status == 200 && page.contains("is authorised"), "{status} {page}");
    Ok(())
}

async fn state(world: &World) -> Result<String> {
    let instance = world.api.get("/api/v1/instances/contacts").await?;
    Ok(instance["authorization"]["state"].as_str().context("no state")?.to_owned())
}

/// Publishes messages `from..to`.
async fn publish(amqp: &Amqp, from: usize, to: usize) -> Result<()> {
    let messages: Vec<_> =
        (from..to).map(|n| (format!("m-{n}"), json!({ "n": n }).to_string().into_bytes())).collect();
    amqp.publish_all("", SOURCE, &messages).await
}

/// Waits until so many messages are at the sink, and nothing was lost on the way.
async fn arrived(world: &World, amqp: &Amqp, count: u32) -> Result<()> {
    eventually(&format!("{count} messages at the sink"), Duration::from_secs(90), || async {
        let there = amqp.depth(SINK).await?;
        let letters = world.api.get("/api/v1/dead-letters?limit=2").await?;
        ensure!(there >= count, "{there} of {count}, dead: {letters}");
        Ok(Some(()))
    })
    .await
}

async fn status(world: &World, wanted: &str) -> Result<()> {
    eventually(&format!("the flow to be {wanted}"), Duration::from_secs(120), || async {
        let flow = world.api.get("/api/v1/flows/who").await?;
        ensure!(flow["status"] == wanted, "{} {}", flow["status"], flow["reasons"]);
        Ok(Some(()))
    })
    .await
}

fn refreshes(counters: &Value) -> u64 {
    counters.pointer("/token/refresh_token/success").and_then(Value::as_u64).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_lives_ends_and_begins_again_and_no_message_is_lost() -> Result<()> {
    let (mut world, oidc, amqp) = world().await?;
    // Nobody has authorised yet: what comes waits.
    publish(&amqp, 0, 100).await?;
    assert_eq!(state(&world).await?, "needs_authorization");
    status(&world, "parked").await?;
    authorize(&world, &oidc).await?;
    arrived(&world, &amqp, 100).await?;
    status(&world, "running").await?;
    let instance = world.api.get("/api/v1/instances/contacts").await?;
    assert_eq!(instance["settings"]["account"], "ada", "the hook gave it: {instance}");
    assert_eq!(instance["settings"]["told"], true, "the hook saw what the provider sent: {instance}");
    assert_eq!(
        (instance["authorization"]["state"].as_str(), instance["secret_fields"].as_array().map(Vec::len)),
        (Some("ok"), Some(3))
    );
    assert_eq!(refreshes(&oidc.counters().await?), 0);

    // Every token ends at once, under 50 workers: one refresh, and none for those who come late.
    oidc.pull("/admin/expire").await?;
    publish(&amqp, 100, 600).await?;
    arrived(&world, &amqp, 600).await?;
    assert_eq!(refreshes(&oidc.counters().await?), 1, "{}", oidc.counters().await?);
    // The refresh token was rotated, and the new one survives a restart.
    world.kill_and_restart().await?;
    oidc.pull("/admin/expire").await?;
    // A provider that is down for a moment costs attempts, not the authorisation.
    publish(&amqp, 600, 700).await?;
    arrived(&world, &amqp, 700).await?;
    assert_eq!(refreshes(&oidc.counters().await?), 2);
    let refreshed = world.api.get("/api/v1/instances/contacts").await?;
    let times =
        |one: &Value| ["authorized_at", "updated_at"].map(|name| one["authorization"][name].to_string());
    let ([first, stored], [still, changed]) = (times(&instance), times(&refreshed));
    assert!(first != "null" && first == still && stored != changed, "{instance} {refreshed}");

    // The person takes it back in the middle: what is under way waits, and comes after the next authorisation.
    publish(&amqp, 700, 1000).await?;
    oidc.pull("/admin/revoke?account=ada").await?;
    publish(&amqp, 1000, 1300).await?;
    status(&world, "parked").await?;
    assert_eq!(state(&world).await?, "needs_reauth");
    let detail = world.api.get("/api/v1/instances/contacts").await?["authorization"]["detail"].clone();
    assert!(detail.as_str().is_some_and(|text| text.contains("invalid_grant")), "{detail}");
    world.restart().await?;
    status(&world, "parked").await?;
    authorize(&world, &oidc).await?;
    let again = times(&world.api.get("/api/v1/instances/contacts").await?)[0].clone();
    assert!(again > first, "{again} {first}");
    arrived(&world, &amqp, 1300).await?;
    let letters = world.api.get("/api/v1/dead-letters").await?;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(0), "{letters}");
    let mut ids = std::collections::BTreeSet::new();
    amqp.drain(SINK, |id, _| {
        ids.insert(id);
        ids.len() == 1300
    })
    .await?;

    // An operator revokes: the hook is called, the provider told, the tokens forgotten.
    let before = oidc.counters().await?;
    let revoked = world.api.call("POST", "/api/v1/instances/contacts/revoke", None).await?;
    assert_eq!(revoked, json!({}));
    let after = oidc.counters().await?;
    let more = |path: &str| {
        after.pointer(path).and_then(Value::as_u64) > before.pointer(path).and_then(Value::as_u64)
    };
    assert!(more("/revocations") && more("/me/accepted"), "{before} {after}");
    assert_eq!(state(&world).await?, "revoked");

    let log = std::fs::read_to_string(world.data().join("log"))?;
    let inspected = docker(&["inspect", &world.container("rest").await?]).await?;
    let store: Vec<u8> = ["sluice.db", "sluice.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(world.data().join(name)).unwrap_or_default())
        .collect();
    for secret in [SECRET, APP_KEY] {
        assert!(!log.contains(secret) && !inspected.contains(secret));
        assert!(!String::from_utf8_lossy(&store).contains(secret));
    }
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finishes_what_another_began() -> Result<()> {
    let (world, oidc, _amqp) = world().await?;
    // The way back, opened by another browser than the one that began: a forged login.
    let back = oidc.sign_in_up_to_callback(&link(&world).await?, "mallory").await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(back.clone()).send().await?;
    assert_eq!(answer.status(), 400);
    let page = answer.text().await?;
    assert!(page.contains("begun in another browser") && !page.contains("mallory"), "{page}");
    // A state that nobody made, a link that is no link, a code without a state.
    for path in ["/oauth/callback?code=x&state=forged", "/oauth/callback?code=x", "/oauth/start/forged"] {
        let answer = http.get(format!("{}{path}", world.api.base())).send().await?;
        assert_eq!(answer.status(), 400, "{path}");
    }
    // A link works once.
    let link = link(&world).await?;
    let (status, _) = oidc.sign_in(&link, "ada").await?;
    assert_eq!(status, 200);
    assert_eq!(http.get(&link).send().await?.status(), 400);
    assert_eq!(state(&world).await?, "ok");
    world.stop().await
}
