//! Webhooks: five providers' signatures, and deliveries that survive the orchestrator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sluice_tests::{HttpSink, World, eventually};

const PATIENCE: Duration = Duration::from_secs(120);
const PRESETS: [&str; 5] = ["standard", "github", "stripe", "slack", "shopify"];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A connector with a trigger for each preset, and two flows: one with the secret, one whose secret is blank.
fn files(url: &str) -> String {
    let triggers: String = PRESETS
        .iter()
        .map(|name| {
            format!("  {name}: {{ title: T, kind: webhook, signature: {{ preset: {name} }}, headers: [X-Event] }}\n")
        })
        .collect();
    let steps: String =
        PRESETS.iter().map(|name| format!("  - {{ id: {name}, use: hooks/{name}, after: [] }}\n")).collect();
    let mut text = format!(
        "sluice: 1\nkind: connector\nname: hooks\nversion: 1.0.0\ntitle: Hooks\ntriggers:\n{triggers}---\n\
         sluice: 1\nkind: template\nname: hear\nversion: 1.0.0\ninstances: {{ hooks: {{ connector: hooks }} }}\nsteps:\n\
         {}  - id: post\n    use: http/request\n    after: [{}]\n    config: {{ method: POST, url: \"{url}/heard\" }}\n    \
         input: {{ n: $.body.n, method: $.headers.method, event: \"= headers.`x-event`\" }}\n    concurrency: 8\n",
        steps.replacen(", after: []", "", 1),
        PRESETS.join(", "),
    );
    for name in ["known", "blank"] {
        text += &format!(
            "---\nsluice: 1\nkind: instance\nname: {name}\nconnector: hooks\nsecrets: {{ signing_secret: {{ env: S }} }}\n\
             ---\nsluice: 1\nkind: flow\nname: {name}\ntemplate: hear\ninstances: {{ hooks: {name} }}\n"
        );
    }
    text
}

async fn deploy(world: &World, sink: &HttpSink) -> Result<()> {
    let secrets = json!({ "known": { "signing_secret": format!("b2xk\n{SECRET}\n") }, "blank": { "signing_secret": " " } });
    world.api.apply(&files(&sink.url(&world.host)), secrets).await?;
    world.running("known").await
}

/// The path of each webhook of a flow.
async fn paths(world: &World, flow: &str) -> Result<BTreeMap<String, String>> {
    let hooks = world.api.get(&format!("/api/v1/flows/{flow}/hooks")).await?;
    let of = |hook: &Value| {
        Some((hook["step"].as_str()?.to_owned(), hook["urls"][0]["path"].as_str()?.to_owned()))
    };
    Ok(hooks.as_array().context("no list")?.iter().filter_map(of).collect())
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("an HMAC takes any key");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// The headers that the provider would send with this body.
fn sign(preset: &str, id: &str, time: i64, body: &str) -> Vec<(String, String)> {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (key, time) = (SECRET.as_bytes(), time.to_string());
    let headers: Vec<(&str, String)> = match preset {
        "standard" => {
            let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap_or_default();
            let signature = STANDARD.encode(mac(&key, &[id, ".", &time, ".", body]));
            vec![
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", time),
                ("webhook-signature", format!("v1,{signature}")),
            ]
        }
        "github" => vec![
            ("X-Hub-Signature-256", format!("sha256={}", hex(mac(key, &[body])))),
            ("X-GitHub-Delivery", id.to_owned()),
        ],
        "stripe" => {
            let signature = hex(mac(key, &[&time, ".", body]));
            vec![("Stripe-Signature", format!("t={time},v1={signature}"))]
        }
        "slack" => vec![
            ("X-Slack-Signature", format!("v0={}", hex(mac(key, &["v0:", &time, ":", body])))),
            ("X-Slack-Request-Timestamp", time),
        ],
        _ => vec![
            ("X-Shopify-Hmac-Sha256", STANDARD.encode(mac(key, &[body]))),
            ("X-Shopify-Webhook-Id", id.to_owned()),
        ],
    };
    let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    headers.push(("X-Event".to_owned(), preset.to_owned()));
    headers
}

/// The body of delivery number `n`, with its id where Stripe and Slack have it.
fn body(id: &str, n: usize) -> String {
    json!({ "n": n, "id": id, "event_id": id }).to_string()
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<(u16, Value)> {
    let mut request = client.post(url).header("content-type", "application/json").body(body.to_owned());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    Ok((status, response.json().await.unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_providers_are_believed_when_they_sign_right_and_only_then() -> Result<()> {
    let world = World::start("webhooks", &["rest", "http"]).await?;
    let sink = HttpSink::start().await?;
    deploy(&world, &sink).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (known, blank) = (paths(&world, "known").await?, paths(&world, "blank").await?);
    let url = |path: &str| format!("{}{path}", world.api.base());
    for (n, preset) in PRESETS.iter().enumerate() {
        let (id, hook) = (format!("delivery-{n}"), url(&known[*preset]));
        let text = body(&id, n);
        let good = sign(preset, &id, now(), &text);
        let refused = |answer: (u16, Value), reason: &str| {
            let told = (answer.0, answer.1["reason"].as_str().map(str::to_owned));
            assert_eq!(told, (401, Some(reason.to_owned())), "{preset}: {}", answer.1);
        };
        refused(post(&client, &hook, &good, &text.replace('{', "{ ")).await?, "signature_mismatch");
        refused(post(&client, &hook, &[], &text).await?, "signature_missing");
        refused(post(&client, &url(&blank[*preset]), &good, &text).await?, "no_secret");
        if ["standard", "stripe", "slack"].contains(preset) {
            let old = sign(preset, &id, now() - 400, &text);
            refused(post(&client, &hook, &old, &text).await?, "signature_too_old");
            let early = sign(preset, &id, now() + 400, &text);
            refused(post(&client, &hook, &early, &text).await?, "signature_too_new");
        }
        assert_eq!(post(&client, &hook, &good, &text).await?, (202, json!({})), "{preset}");
        assert_eq!(post(&client, &hook, &good, &text).await?, (200, json!({})), "{preset}, replayed");
        let later = sign(preset, &id, now() + 1, &text);
        assert_eq!(
            post(&client, &hook, &later, &text).await?.0,
            200,
            "{preset}, sent again with another signature"
        );
    }
    eventually("a message of each", PATIENCE, || async { Ok((sink.count() >= 5).then_some(())) }).await?;
    let heard: BTreeMap<u64, Value> =
        sink.received().iter().filter_map(|one| Some((one.body["n"].as_u64()?, one.body.clone()))).collect();
    for (n, preset) in PRESETS.iter().enumerate() {
        assert_eq!(heard[&(n as u64)], json!({ "n": n, "method": "POST", "event": preset }));
    }
    // Whatever was refused or replayed would have come before this one.
    let text = body("last", 99);
    let last = sign("github", "last", now(), &text);
    assert_eq!(post(&client, &url(&known["github"]), &last, &text).await?.0, 202);
    eventually("the last message", PATIENCE, || async {
        Ok(sink.received().iter().any(|one| one.body["n"] == 99).then_some(()))
    })
    .await?;
    assert_eq!(sink.count(), 6);
    let log = std::fs::read_to_string(world.data().join("log"))?;
    let keys = known.values().chain(blank.values()).filter_map(|path| path.strip_prefix("/hooks/"));
    assert!(
        keys.into_iter().all(|key| !log.contains(key)) && !log.contains(SECRET),
        "a secret is in the log"
    );
    assert!(log.contains("signature_too_old") || log.contains("too old"), "why it was refused is in the log");
    world.stop().await
}

/// Sends deliveries `numbers` one after another, each until it is accepted, as providers do; at most fifty a second.
async fn persist(
    client: reqwest::Client,
    url: String,
    numbers: Vec<usize>,
    accepted: Arc<Mutex<BTreeSet<usize>>>,
) {
    let mut naps = tokio::time::interval(Duration::from_millis(20));
    naps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for n in numbers {
        let id = format!("burst-{n}");
        let text = body(&id, n);
        loop {
            naps.tick().await;
            let headers = sign("github", &id, 0, &text);
            if let Ok((200..300, _)) = post(&client, &url, &headers, &text).await {
                accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(n);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_arrives_though_the_orchestrator_is_killed() -> Result<()> {
    const COUNT: usize = 400;
    let mut world = World::start("hooked", &["rest", "http"]).await?;
    let sink = HttpSink::start().await?;
    deploy(&world, &sink).await?;
    let url = format!("{}{}", world.api.base(), paths(&world, "known").await?["github"]);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let accepted: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
    let count = || accepted.lock().unwrap_or_else(PoisonError::into_inner).len();
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let numbers = (0..COUNT).filter(|n| n % 4 == sender).collect();
            tokio::spawn(persist(client.clone(), url.clone(), numbers, accepted.clone()))
        })
        .collect();
    for share in [COUNT / 4, COUNT / 2] {
        eventually(&format!("{share} accepted"), PATIENCE, || async { Ok((count() >= share).then_some(())) })
            .await?;
        assert!(count() < COUNT, "the burst was over before the orchestrator was killed");
        world.kill_and_restart().await?;
    }
    for sender in senders {
        tokio::time::timeout(PATIENCE, sender).await.context("not everything was accepted")??;
    }
    assert_eq!(count(), COUNT);
    let arrived = || sink.received().iter().filter_map(|one| one.body["n"].as_u64()).collect::<BTreeSet<_>>();
    eventually("everything that was accepted", PATIENCE, || async {
        Ok((arrived().len() >= COUNT).then_some(()))
    })
    .await?;
    let mut keys: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for one in sink.received() {
        let key = one.headers.get("idempotency-key").cloned().unwrap_or_default();
        keys.entry(one.body["n"].as_u64().unwrap_or_default()).or_default().insert(key);
    }
    assert!(
        keys.values().all(|keys| keys.len() == 1),
        "the same delivery has the same id, however often it comes"
    );
    world.stop().await
}
