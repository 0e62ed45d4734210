//! Secrets that are planted everywhere and searched for everywhere: in the store, logs, answers of the API, metrics, what
//! Docker tells of containers and what the broker holds.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Received, World, docker, eventually};

const KEY: &str = "canary-key-8c1f0e77";
const SIGNING: &str = "canary-signing-5d20b9";
const CLIENT: &str = "canary-client-e93a41";
const HMAC: &str = "canary-hmac-0b66f2";

const FILES: &str = r#"
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
  leak: { title: Leak, request: { path: /leak } }
triggers:
  pushed: { title: Pushed, kind: webhook, signature: { preset: github } }
---
sluice: 1
kind: connector
name: signed
version: 1.0.0
title: Signed
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
scripts:
  sign:
    code: |
      (request, secrets) => {
        console.log('signing with ' + secrets.hmac_key);
        if (request.path === '/throw') throw new Error('cannot sign with ' + secrets.hmac_key);
        return { headers: { 'x-signed': 'yes' } };
      }
auth: { type: script, script: sign, secrets: [hmac_key] }
actions:
  call: { title: Call, request: { path: /signed } }
  throw: { title: Throw, request: { path: /throw } }
---
sluice: 1
kind: connector
name: login
version: 1.0.0
title: Login
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
auth:
  type: oauth2
  oauth2: { grant: client_credentials, token_url: = vars.url & '/token' }
actions:
  me: { title: Me, request: { path: /me } }
"#;

const FLOW: &str = r"
---
sluice: 1
kind: template
name: leaks
version: 1.0.0
instances: { crm: { connector: crm } }
steps:
  - { id: pushed, use: crm/pushed }
  - { id: push, use: crm/push, retry: { attempts: 2, initial: 1s, backoff: fixed } }
";

/// A server that says everything that it was told, as an error.
fn echo(request: &Received) -> (u16, Value) {
    let told = json!({ "path": request.path, "headers": request.headers, "body": request.body });
    match request.path.as_str() {
        "/push" => (500, told),
        "/leak" | "/me" => (403, told),
        "/token" => (400, json!({ "error": "invalid_client", "error_description": told.to_string() })),
        _ => (200, Value::Null),
    }
}

async fn apply(world: &World, url: &str) -> Result<()> {
    let instance = |name: &str, connector: &str, secrets: &str| {
        format!(
            "---\nsluice: 1\nkind: instance\nname: {name}\nconnector: {connector}\nsettings: {{ url: \"{url}\" }}\nsecrets: {{ {secrets} }}\n"
        )
    };
    let text = [
        FILES.to_owned(),
        instance("crm", "crm", "api_key: { env: A }, signing_secret: { env: B }"),
        instance("signed", "signed", "hmac_key: { env: C }"),
        instance("login", "login", "client_id: { env: D }, client_secret: { env: E }"),
        FLOW.to_owned(),
    ]
    .concat();
    let body = json!({
        "files": [{ "name": "leaks.yaml", "text": text }],
        "instances": { "crm": "crm" },
        "secrets": {
            "crm": { "api_key": KEY, "signing_secret": SIGNING },
            "signed": { "hmac_key": HMAC },
            "login": { "client_id": "sluice", "client_secret": CLIENT },
        },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await.map(|_| ())
}

/// A delivery to the webhook, signed as GitHub does.
async fn deliver(world: &World) -> Result<String> {
    use hmac::Mac;
    let hooks = world.api.get("/api/v1/flows/leaks/hooks").await?;
    let path = hooks[0]["urls"][0]["path"].as_str().context("no URL")?.to_owned();
    let body = json!({ "n": 1 }).to_string();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SIGNING.as_bytes())?;
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = reqwest::Client::new()
        .post(format!("{}{path}", world.api.base()))
        .header("content-type", "application/json")
        .header("x-hub-signature-256", format!("sha256={signature}"))
        .header("x-github-delivery", "d-1")
        .body(body)
        .send()
        .await?;
    ensure!(sent.status() == 202, "{}", sent.status());
    Ok(path)
}

/// Everything that could show a secret, by where it is.
async fn everything(world: &World, answers: Vec<(String, String)>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut places: Vec<(String, Vec<u8>)> =
        answers.into_iter().map(|(place, text)| (place, text.into_bytes())).collect();
    for entry in std::fs::read_dir(world.data())? {
        let path = entry?.path();
        // The file with the keys of the vault is not readable to others, and the first token is there to be read once.
        let own = ["keys", "first-token"];
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_file() && !own.iter().any(|own| name.contains(own)) {
            places.push((name, std::fs::read(&path)?));
        }
    }
    let document = world.api.get("/openapi.json").await?;
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        // A stream never ends.
        let streams = methods["get"]["responses"]["200"]["content"].get("text/event-stream").is_some();
        if methods.get("get").is_some() && !path.contains('{') && !streams {
            let (_, answer) = world.api.raw("GET", path, None).await?;
            places.push((format!("GET {path}"), answer.to_string().into_bytes()));
        }
    }
    for path in [
        "connectors/crm",
        "connectors/signed",
        "instances/crm",
        "instances/signed",
        "instances/login",
        "flows/leaks",
    ] {
        let (_, answer) = world.api.raw("GET", &format!("/api/v1/{path}"), None).await?;
        places.push((format!("GET {path}"), answer.to_string().into_bytes()));
    }
    for list in ["executions", "dead-letters"] {
        let found = world.api.get(&format!("/api/v1/{list}")).await?;
        for one in found["items"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str()) {
            let detail = world.api.get(&format!("/api/v1/{list}/{one}")).await?;
            places.push((format!("{list}/{one}"), detail.to_string().into_bytes()));
        }
    }
    for container in world.containers().await? {
        places.push((format!("inspect {container}"), docker(&["inspect", &container]).await?.into_bytes()));
        places
            .push((format!("logs {container}"), sluice_tests::container_log(&container).await?.into_bytes()));
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &container]).await?;
        for file in ["environ", "cmdline"] {
            places.push((format!("{file} of {container}"), std::fs::read(format!("/proc/{pid}/{file}"))?));
        }
    }
    let definitions = world.broker.call("GET", &["definitions", world.broker.vhost()], None).await?;
    places.push(("definitions of the broker".to_owned(), definitions.to_string().into_bytes()));
    for queue in world.broker.queues().await? {
        let question = json!({ "count": 100, "ackmode": "ack_requeue_true", "encoding": "auto" }).to_string();
        let path = ["queues", world.broker.vhost(), &queue, "get"];
        let held = world.broker.call("POST", &path, Some(&question)).await?;
        places.push((format!("queue {queue}"), held.to_string().into_bytes()));
    }
    Ok(places)
}

/// The ways in which a secret may be written.
fn spellings(secret: &str) -> Vec<String> {
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Base64 of it with anything before and after: what does not depend on the neighbours.
    let inner = |before: usize| {
        let text = STANDARD.encode(format!("{}{secret}", " ".repeat(before)));
        text[(before * 4).div_ceil(3)..text.len() - 4].to_owned()
    };
    vec![secret.to_owned(), hex, URL_SAFE_NO_PAD.encode(secret), inner(0), inner(1), inner(2)]
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_found_nowhere() -> Result<()> {
    let world = World::start("canaries", &["rest"]).await?;
    let server = HttpSink::start().await?;
    server.answer(echo);
    apply(&world, &server.url(&world.host)).await?;
    let mut answers = Vec::new();
    for (instance, action) in
        [("crm", "leak"), ("crm", "push"), ("signed", "call"), ("signed", "throw"), ("login", "me")]
    {
        for raw in [true, false] {
            let path = format!("/api/v1/instances/{instance}/invoke/{action}");
            let body = json!({ "input": { "n": 1 }, "raw": raw }).to_string();
            let (status, answer) = world.api.raw("POST", &path, Some(body)).await?;
            answers.push((format!("invoke {instance}/{action} {raw}: {status}"), answer.to_string()));
        }
    }
    let (status, answer) = world.api.raw("POST", "/api/v1/instances/login/authorize", None).await?;
    answers.push((format!("authorize login: {status}"), answer.to_string()));
    let path = deliver(&world).await?;
    eventually("a dead letter", Duration::from_secs(120), || async {
        let letters = world.api.get("/api/v1/dead-letters").await?;
        Ok(letters["items"].as_array().is_some_and(|items| !items.is_empty()).then_some(()))
    })
    .await?;
    let session = json!({ "instances": ["crm"] });
    let session = world.api.call("POST", "/api/v1/sessions", Some(session)).await?;
    let session = session["token"].as_str().context("no token")?.to_owned();

    // The server was told them, so they were there to be found.
    let told = server.received();
    let headers = |name: &str| told.iter().any(|one| one.headers.get(name).is_some_and(|value| value == KEY));
    assert!(headers("x-key"), "{told:?}");
    assert!(told.iter().any(|one| one.path == "/token" && format!("{one:?}").contains("Basic ")), "{told:?}");
    let key = path.trim_start_matches("/hooks/").to_owned();
    let places = everything(&world, answers).await?;
    assert!(places.len() > 30, "{}", places.len());
    let operator = world.api.token().to_owned();
    let mut found = Vec::new();
    for secret in [KEY, SIGNING, CLIENT, HMAC, &operator, &session, &key] {
        for spelling in spellings(secret) {
            for (place, text) in &places {
                // The first token is printed once, at the first start.
                let printed = place == "out" && *secret == *operator;
                if !printed && text.windows(spelling.len()).any(|window| window == spelling.as_bytes()) {
                    let shown: String = secret.chars().take(14).collect();
                    found.push(format!("{shown}… in {place}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    println!("{} places were searched", places.len());
    world.stop().await
}
