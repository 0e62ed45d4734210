//! Each way to authorise a request, as the other side sees it.

use serde_json::{Value, json};

use super::server::{Server, ok};
use super::{action, bodies, harness, over};

/// The header and the query that a way of authorisation leads to.
async fn sent(auth: Value, secrets: Value, header: &str) -> (Option<String>, String) {
    let server = Server::always(ok(json!({}))).await;
    let config =
        over(action(&server, json!({ "request": { "query": { "q": "1" } } })), json!({ "auth": auth }));
    let harness = harness().settings(json!({})).secrets(secrets);
    let outputs = harness.action("call", config, json!({})).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({})]);
    let asked = server.last();
    (asked.headers.get(header).cloned(), asked.query)
}

#[tokio::test]
async fn every_way_puts_its_secret_in_its_place() {
    let plain = "q=1".to_owned();
    for (auth, secrets, header, expect, query) in [
        (json!({ "type": "none" }), json!({}), "authorization", None, plain.clone()),
        (
            json!({ "type": "basic" }),
            json!({ "username": "ann", "password": "pass" }),
            "authorization",
            Some("Basic YW5uOnBhc3M="),
            plain.clone(),
        ),
        (
            json!({ "type": "bearer" }),
            json!({ "token": "tok" }),
            "authorization",
            Some("Bearer tok"),
            plain.clone(),
        ),
        (
            json!({ "type": "api_key", "name": "X-Key", "prefix": "Token " }),
            json!({ "api_key": "k1" }),
            "x-key",
            Some("Token k1"),
            plain.clone(),
        ),
        (
            json!({ "type": "api_key", "in": "query", "name": "key" }),
            json!({ "api_key": "k 1" }),
            "x-key",
            None,
            "q=1&key=k+1".to_owned(),
        ),
        (
            json!({ "type": "api_key", "in": "cookie", "name": "sid" }),
            json!({ "api_key": "k1" }),
            "cookie",
            Some("sid=k1"),
            plain.clone(),
        ),
    ] {
        let got = sent(auth.clone(), secrets, header).await;
        assert_eq!(got, (expect.map(str::to_owned), query), "{auth}");
    }
}

#[tokio::test]
async fn a_missing_secret_and_one_that_breaks_a_header_are_refused() {
    let server = Server::always(ok(json!({}))).await;
    let config = over(action(&server, json!({})), json!({ "auth": { "type": "bearer" } }));
    for secrets in [json!({}), json!({ "token": "a\r\nx: y" })] {
        let harness = harness().secrets(secrets);
        let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
        assert_eq!(error.code, "bad_secrets");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn several_ways_are_gone_at_once() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/login" => ok(json!("granted-1")),
        _ => ok(json!({})),
    })
    .await;
    let session = json!({
        "login": { "path": "/login", "body": { "value": "$.secrets.pin" } },
        "token": "$.response.body", "name": "X-Session",
    });
    let auth = json!({ "all": [
        { "type": "api_key", "name": "X-App", "secret": "app_key" },
        { "type": "api_key", "in": "query", "name": "user" },
        { "type": "api_key", "in": "cookie", "name": "a", "secret": "app_key2" },
        { "type": "basic" },
        { "type": "script", "script": "sign", "secrets": ["seal"] },
        { "type": "session", "secrets": ["pin"], "session": session },
    ] });
    let sign = "(request, secrets) => ({ headers: { 'X-Seal': crypto.hmac('sha256', secrets.seal, request.path) } })";
    let config = over(action(&server, json!({})), json!({ "auth": auth, "scripts": { "sign": sign } }));
    let secrets = json!({
        "app_key": "first-key", "api_key": "second-key", "app_key2": "third-key", "username": "ann",
        "password": "pass", "seal": "sealing", "pin": "pin-1234",
    });
    let harness = harness().secrets(secrets).trace();
    let outputs = harness.action("call", config, json!({})).await.unwrap();
    let asked = server.last();
    let header = |name: &str| asked.headers.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!((header("x-app"), header("cookie")), ("first-key", "a=third-key"));
    assert_eq!((header("authorization"), header("x-session")), ("Basic YW5uOnBhc3M=", "granted-1"));
    assert_eq!((asked.query.as_str(), header("x-seal").len()), ("user=second-key", 64));
    let told = outputs[1].body.get();
    for secret in ["-key", "granted", "YW5u", header("x-seal")] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}
