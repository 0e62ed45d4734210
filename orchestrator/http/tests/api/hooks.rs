//! Webhooks, as their senders and operators see them.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use sluice_testkit::eventually;

use crate::harness::{Answer, Server};

const FLOW: &str = r#"
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
triggers:
  paid:
    title: Paid
    kind: webhook
    signature: { preset: token, header: X-Token }
    delivery_id: { header: X-Id }
    filter: = $not(request.body.live = false)
    challenge: { when: = $exists(request.query.challenge), body: $.request.query.challenge }
  pushed: { title: Pushed, kind: webhook, signature: { preset: github } }
---
sluice: 1
kind: instance
name: shop-eu
connector: shop
secrets: { signing_secret: { env: S } }
---
sluice: 1
kind: template
name: hear
version: 1.0.0
instances: { shop: { connector: shop } }
steps:
  - { id: paid, use: shop/paid }
  - { id: pushed, use: shop/pushed, after: [] }
  - { id: act, use: demo/act, after: [paid, pushed] }
---
sluice: 1
kind: flow
name: hear
template: hear
instances: { shop: shop-eu }
"#;

const HOOKS: &str = "/api/v1/flows/hear/hooks";

async fn start() -> Server {
    let server = Server::start().await;
    server.deploy().await;
    server.install("sluice/rest:1.0.0").await;
    let secret = "an old token\nIt's a Secret to Everybody\n";
    let body = json!({
        "files": [{ "name": "hear.yaml", "text": FLOW }], "secrets": { "shop-eu": { "signing_secret": secret } },
    });
    let applied = server.call("POST", "/api/v1/apply", Some(&body.to_string())).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    server
}

/// The paths of a step's URLs, newest first.
async fn paths(server: &Server, step: &str) -> Vec<String> {
    let hooks = server.call("GET", HOOKS, None).await.json();
    let hook = hooks.as_array().unwrap().iter().find(|hook| hook["step"] == step).unwrap().clone();
    hook["urls"].as_array().unwrap().iter().map(|url| url["path"].as_str().unwrap().to_owned()).collect()
}

async fn path(server: &Server, step: &str) -> String {
    paths(server, step).await.remove(0)
}

async fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// A delivery that is right.
async fn deliver(server: &Server, path: &str, id: &str) -> Answer {
    let headers = [("x-token", "an old token"), ("x-id", id), ("content-type", "application/json")];
    send(server, "POST", path, &headers, r#"{"n":1}"#).await
}

/// Waits until this many messages came to the step behind the webhooks.
async fn arrived(server: &Server, count: u64) {
    eventually("messages at the next step", || async {
        let flow = server.call("GET", "/api/v1/flows/hear", None).await.json();
        let steps = flow["steps"].as_array().unwrap().clone();
        let act = steps.into_iter().find(|step| step["id"] == "act").unwrap();
        let received = act["counters"]["received"].as_u64().unwrap();
        assert!(received <= count, "{received} messages instead of {count}");
        (received == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_delivery_is_accepted_once_and_reaches_the_flow() {
    let server = start().await;
    let path = path(&server, "paid").await;
    assert_eq!(path.len(), "/hooks/".len() + 43, "a key has 256 bits");
    let first = deliver(&server, &path, "1").await;
    assert_eq!((first.status, first.text.as_str()), (202, "{}"));
    let again = deliver(&server, &path, "1").await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (200, "{}"),
        "a replay is acknowledged and not processed"
    );
    assert_eq!(deliver(&server, &path, "2").await.status, 202);
    arrived(&server, 2).await;
}

#[tokio::test]
async fn a_delivery_that_comes_many_times_at_once_is_accepted_once() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let all = futures_util::future::join_all((0..10).map(|_| deliver(&server, &path, "1"))).await;
    let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    // The others are told to come again, or that it is there already.
    assert!(statuses.iter().all(|status| [200, 202, 503].contains(status)), "{statuses:?}");
    assert_eq!(deliver(&server, &path, "1").await.status, 200);
    arrived(&server, 1).await;
}

#[tokio::test]
async fn any_of_the_secrets_proves_the_sender_and_a_wrong_one_does_not() {
    let server = start().await;
    let path = path(&server, "pushed").await;
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let push = async |signature: Option<&str>, id: Option<&str>, body: &str| {
        let mut headers = vec![("content-type", "text/plain")];
        headers.extend(signature.map(|signature| ("x-hub-signature-256", signature)));
        headers.extend(id.map(|id| ("x-github-delivery", id)));
        let answer = send(&server, "POST", &path, &headers, body).await;
        assert!(answer.status < 300 || answer.is_problem(), "{}", answer.text);
        let body: Value = answer.json();
        (answer.status, body["code"].clone(), body["reason"].clone())
    };
    assert_eq!(push(Some(right), Some("a"), "Hello, World!").await.0, 202);
    let refused = |reason: &str| (401, json!("A0030"), json!(reason));
    assert_eq!(push(Some(right), Some("b"), "Hello, World?").await, refused("signature_mismatch"));
    assert_eq!(push(None, Some("b"), "Hello, World!").await, refused("signature_missing"));
    assert_eq!(push(Some("sha256=x"), Some("b"), "Hello, World!").await, refused("signature_malformed"));
    let lost = push(Some(right), None, "Hello, World!").await;
    assert_eq!(lost, (400, json!("A0004"), json!("delivery_id_missing")));
    arrived(&server, 1).await;
}

#[tokio::test]
async fn without_a_secret_everything_is_refused() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let instance = "sluice: 1\nkind: instance\nname: shop-eu\nconnector: shop\nsecrets: { signing_secret: { env: S } }\n";
    let body = json!({
        "files": [{ "name": "i.yaml", "text": instance }], "secrets": { "shop-eu": { "signing_secret": " \n " } },
    });
    let applied = server.call("POST", "/api/v1/apply", Some(&body.to_string())).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    for token in ["an old token", ""] {
        let headers = [("x-token", token), ("x-id", "1")];
        let answer = send(&server, "POST", &path, &headers, "").await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (401, Some("no_secret")));
    }
}

#[tokio::test]
async fn a_question_is_answered_and_what_is_not_wanted_is_acknowledged() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let asked = send(&server, "GET", &format!("{path}?challenge=4711"), &[], "").await;
    assert_eq!((asked.status, asked.text.as_str()), (200, "4711"));
    assert_eq!(asked.headers["content-type"], "text/plain");
    assert_eq!(asked.headers["x-content-type-options"], "nosniff");
    let headers = [("x-token", "an old token"), ("x-id", "9"), ("content-type", "application/json")];
    assert_eq!(send(&server, "POST", &path, &headers, r#"{"live":false}"#).await.status, 200);
    assert_eq!(send(&server, "PUT", &path, &headers, r#"{"live":true}"#).await.status, 202);
    arrived(&server, 1).await;
}

#[tokio::test]
async fn a_rotated_key_works_for_its_grace_and_a_revoked_one_not_at_all() {
    let server = start().await;
    let old = path(&server, "paid").await;
    let rotate = format!("{HOOKS}/paid/rotate");
    let rotated = server.call("POST", &rotate, Some(r#"{"grace":"1h"}"#)).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let new = rotated.json()["urls"][0]["path"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    assert_eq!(paths(&server, "paid").await, [new.clone(), old.clone()]);
    server.clock.advance(Duration::from_secs(3599));
    assert_eq!(deliver(&server, &old, "1").await.status, 202);
    assert_eq!(deliver(&server, &new, "1").await.status, 200, "both are the same webhook");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(deliver(&server, &old, "2").await.status, 404);
    assert_eq!(deliver(&server, &new, "2").await.status, 202);

    assert_eq!(server.call("DELETE", &format!("{HOOKS}/paid"), None).await.status, 204);
    let (revoked, unknown) = (deliver(&server, &new, "3").await, deliver(&server, "/hooks/none", "3").await);
    let told =
        |answer: &Answer| (answer.status, answer.json()["code"].clone(), answer.json()["detail"].clone());
    assert_eq!(told(&revoked), told(&unknown));
    assert_eq!(revoked.status, 404);
    assert!(!revoked.text.contains(&new["/hooks/".len()..]), "a key is never repeated");
    assert_eq!(paths(&server, "paid").await, Vec::<String>::new());

    let changed = FLOW.replace("version: 1.0.0\ninstances", "version: 1.0.1\ninstances");
    let changed = changed.replace(
        "name: shop-eu\nconnector: shop\nsecrets: { signing_secret: { env: S } }",
        "name: shop-eu\nconnector: shop\nsecrets: { signing_secret: { env: S } }\nsettings: {}",
    );
    let changed = changed.replace("{ id: act,", "{ id: act, concurrency: 2,");
    let body = json!({ "files": [{ "name": "hear.yaml", "text": changed }] });
    let applied = server.call("POST", "/api/v1/apply", Some(&body.to_string())).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    assert_eq!(paths(&server, "paid").await, Vec::<String>::new(), "what was revoked stays so");
    assert_eq!(server.call("POST", &rotate, None).await.status, 200);
    assert_eq!(deliver(&server, &path(&server, "paid").await, "3").await.status, 202);
}

#[tokio::test]
async fn what_is_not_confirmed_is_not_accepted_and_may_come_again() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let put_off = |answer: Answer| {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("A0015")), "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
    };
    // Each publish is tried three times. The broker stored the message and could not say so.
    server.broker.fail_publishes(3, true);
    put_off(deliver(&server, &path, "1").await);
    assert_eq!(deliver(&server, &path, "1").await.status, 202);
    arrived(&server, 1).await;
    server.broker.set_down(true);
    put_off(deliver(&server, &path, "2").await);
    server.broker.set_down(false);
    assert_eq!(deliver(&server, &path, "2").await.status, 202);
    arrived(&server, 2).await;

    server.call("POST", "/api/v1/flows/hear/pause", None).await;
    put_off(deliver(&server, &path, "3").await);
    assert_eq!(
        deliver(&server, &path, "2").await.status,
        200,
        "what was accepted is acknowledged all the same"
    );
    server.call("POST", "/api/v1/flows/hear/start", None).await;
    assert_eq!(deliver(&server, &path, "3").await.status, 202);
}

#[tokio::test]
async fn a_crowded_flow_asks_its_senders_to_come_later() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let mut number = 0;
    let crowded = eventually("a flow that is crowded", || {
        number += 100;
        let (server, path) = (&server, &path);
        async move {
            for id in number..number + 100 {
                let answer = deliver(server, path, &id.to_string()).await;
                if answer.status != 202 {
                    return Some(answer);
                }
            }
            None
        }
    })
    .await;
    assert_eq!((crowded.status, crowded.json()["code"].as_str()), (429, Some("A0031")), "{}", crowded.text);
    assert!(crowded.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn bodies_have_bounds_and_forms() {
    let server = start().await;
    let path = path(&server, "paid").await;
    let with = async |kind: &str, id: &str, body: String| {
        let headers = [("x-token", "an old token"), ("x-id", id), ("content-type", kind)];
        send(&server, "POST", &path, &headers, &body).await.status
    };
    assert_eq!(with("text/plain", "1", "x".repeat((10 << 20) + 1)).await, 413);
    assert_eq!(with("text/plain", "2", "x".repeat(2 << 20)).await, 413, "a message has 1 MiB");
    assert_eq!(with("text/plain", "3", "x".repeat(900_000)).await, 202);
    assert_eq!(with("application/json", "4", "{".to_owned()).await, 400);
    assert_eq!(with("application/x-www-form-urlencoded", "5", "a=1".to_owned()).await, 202);
    assert_eq!(with("application/xml", "6", "<a>1</a>".to_owned()).await, 202);
    let form = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nhi\r\n--b--\r\n";
    assert_eq!(with("multipart/form-data; boundary=b", "7", form.to_owned()).await, 202);
    let packed = [("x-token", "an old token"), ("x-id", "8"), ("content-encoding", "gzip")];
    assert_eq!(send(&server, "POST", &path, &packed, "x").await.status, 415);
    for method in ["HEAD", "DELETE", "PATCH"] {
        assert_eq!(send(&server, method, &path, &[], "").await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn everything_goes_with_the_flow() {
    let server = start().await;
    let path = path(&server, "paid").await;
    assert_eq!(server.call("DELETE", "/api/v1/flows/hear", None).await.status, 202);
    assert_eq!(deliver(&server, &path, "1").await.status, 404);
    assert_eq!(server.call("POST", "/api/v1/flows/demo/hooks/hear/rotate", None).await.status, 404);
    assert_eq!(server.call("GET", "/api/v1/flows/demo/hooks", None).await.json(), json!([]));
}
