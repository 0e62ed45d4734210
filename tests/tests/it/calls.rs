//! Scripts of one instance that call actions of another.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Received, World, eventually};

const SHOP_KEY: &str = "canary-shop-2718";
const CRM_KEY: &str = "canary-crm-3141";

const FILES: &str = r#"
sluice: 1
kind: connector
name: crm
version: 1.2.0
title: CRM
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url & '/crm' }
auth: { type: api_key, name: X-Key }
actions:
  create:
    title: Create a contact
    input: { type: object, required: [name], properties: { name: { type: string } } }
    request: { method: POST, path: /contacts, body: { value: { name: $.input.name } } }
  all:
    title: All contacts
    request: { path: /contacts }
    pagination: { type: page, param: page, size_param: size, size: 2 }
---
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url & '/shop' }
auth: { type: api_key, name: X-Key }
uses: { crm: { connector: crm, version: ^1.1 } }
scripts:
  register:
    code: |
      (input) => {
        const contact = invoke('crm.create', { name: input.name });
        const failed = [['crm.create', {}], ['crm.none'], ['other.all'], ['crm.broken']].map(([name, input]) => {
          try { return invoke(name, input); } catch (error) { return error.code; }
        });
        return { order: invoke('order', { contact: contact.id }), all: invoke('crm.all'), failed };
      }
  busy: { code: "() => invoke('crm.create', { name: 'busy' })" }
actions:
  order: { title: Order, request: { method: POST, path: /orders, body: { value: { contact: $.input.contact } } } }
  register: { title: Register, script: register }
  busy: { title: Busy, script: busy }
---
sluice: 1
kind: connector
name: portal
version: 1.0.0
title: Portal
http: { base_url: http://portal.test }
uses: { shop: { connector: shop } }
scripts: { sign_up: { code: "(input) => invoke('shop.register', input).order" } }
actions: { sign_up: { title: Sign up, script: sign_up } }
"#;

fn answer(request: &Received) -> (u16, Value) {
    let key = request.headers.get("x-key").map(String::as_str);
    match (request.path.as_str(), key) {
        ("/crm/contacts", Some(CRM_KEY)) if request.body["name"] == "busy" => (503, json!({})),
        ("/crm/contacts", Some(CRM_KEY)) => (201, json!({ "id": 7 })),
        (path, Some(CRM_KEY)) if path.contains("page=1") => (200, json!([{ "id": 6 }, { "id": 7 }])),
        (path, Some(CRM_KEY)) if path.contains("page=2") => (200, json!([{ "id": 8 }])),
        ("/shop/orders", Some(SHOP_KEY)) => (201, json!({ "number": 1, "contact": request.body["contact"] })),
        (path, key) => (401, json!({ "path": path, "key": key.is_some() })),
    }
}

fn instance(name: &str, url: &str, more: &str) -> String {
    let settings = if url.is_empty() { String::new() } else { format!("settings: {{ url: \"{url}\" }}\n") };
    let connector = name.trim_end_matches("-main");
    let secrets = if url.is_empty() { "" } else { "secrets: { api_key: { env: K } }\n" };
    format!(
        "---\nsluice: 1\nkind: instance\nname: {name}\nconnector: {connector}\n{settings}{secrets}{more}\n"
    )
}

async fn apply(world: &World, text: &str) -> Result<(u16, Value)> {
    let secrets = json!({ "crm-main": { "api_key": CRM_KEY }, "shop-main": { "api_key": SHOP_KEY } });
    let body = json!({ "files": [{ "name": "calls.yaml", "text": text }], "secrets": secrets });
    world.api.raw("POST", "/api/v1/apply", Some(body.to_string())).await
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["diagnostics"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_call_what_their_instance_binds_and_nothing_else() -> Result<()> {
    let world = World::start("calls", &["rest"]).await?;
    let sink = HttpSink::start().await?;
    sink.answer(answer);
    let url = sink.url(&world.host);
    let crm = instance("crm-main", &url, "");
    let shop = |bound: &str| instance("shop-main", &url, bound);

    // Bindings are checked before anything is stored.
    let bound = "instances: { crm: crm-main }";
    for (text, code) in [
        (format!("{FILES}{crm}{}", shop("")), "F0061"),
        (format!("{FILES}{crm}{}", shop("instances: { crm: nobody }")), "F0061"),
        (format!("{FILES}{crm}{}", shop("instances: { crm: crm-main, more: crm-main }")), "F0061"),
        (format!("{FILES}{crm}{}", shop("instances: { crm: shop-main }")), "F0061"),
        (FILES.replace("^1.1", "^2") + &crm + &shop(bound), "F0061"),
        (
            FILES.replace("crm: { connector: crm, version: ^1.1 }", "crm: { connector: shop }")
                + &shop("instances: { crm: shop-main }"),
            "F0062",
        ),
    ] {
        let (status, answer) = apply(&world, &text).await?;
        assert!(status == 422 && codes(&answer).contains(&code), "{code}: {answer}");
    }
    let portal = instance("portal-main", "", "instances: { shop: shop-main }");
    let (status, answer) = apply(&world, &format!("{FILES}{crm}{}{portal}", shop(bound))).await?;
    assert_eq!(status, 200, "{answer}");

    // Each action runs with the key of its own instance; what is refused or fails is an exception.
    let invoke = async |path: &str, input: Value| {
        let path = format!("/api/v1/instances/{path}");
        world.api.call("POST", &path, Some(json!({ "input": input }))).await
    };
    let registered = invoke("shop-main/invoke/register", json!({ "name": "Ada" })).await?;
    assert_eq!(
        registered["outputs"][0]["body"],
        json!({
            "order": { "number": 1, "contact": 7 },
            "all": [{ "id": 6 }, { "id": 7 }, { "id": 8 }],
            "failed": ["misfit", "unknown_action", "not_bound", "unknown_action"],
        }),
        "{registered}"
    );
    // One deeper, by a connector that has no request of its own.
    let signed_up = invoke("portal-main/invoke/sign_up", json!({ "name": "Ada" })).await?;
    assert_eq!(signed_up["outputs"][0]["body"]["number"], 1, "{signed_up}");
    // What is not caught fails as the other did.
    let busy = invoke("shop-main/invoke/busy", json!({})).await?;
    assert_eq!((&busy["error"]["code"], &busy["error"]["retryable"]), (&json!("http_503"), &json!(true)));

    // Many at once: who waits for others leaves room for them.
    let many = (0..24).map(|_| invoke("portal-main/invoke/sign_up", json!({ "name": "Ada" })));
    for one in futures_util::future::join_all(many).await {
        let one = one?;
        assert_eq!(one["outputs"][0]["body"]["number"], 1, "{one}");
    }

    // What others call stays, and another binding counts at once.
    let (status, refused) = world.api.raw("DELETE", "/api/v1/instances/crm-main", None).await?;
    assert!(status == 409 && refused["reason"] == "instance_in_use", "{refused}");
    let (status, answer) = apply(&world, &instance("shop-main", &format!("{url}/away"), bound)).await?;
    assert_eq!(status, 200, "{answer}");
    eventually("the new settings", Duration::from_secs(120), || async {
        let failed = invoke("portal-main/invoke/sign_up", json!({ "name": "Ada" })).await?;
        Ok((failed["error"]["code"] == "http_401").then_some(()))
    })
    .await?;
    let log = std::fs::read_to_string(world.data().join("log")).context("no log")?;
    assert!(!log.contains(SHOP_KEY) && !log.contains(CRM_KEY));
    world.stop().await
}
