//! Webhooks whose flows answer.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::harness::{Answer, Server};

const FILES: &str = r#"
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
triggers:
  asked: { title: Asked, kind: webhook, signature: { preset: none } }
---
sluice: 1
kind: template
name: ask
version: 1.0.0
steps:
  - { id: asked, use: shop/asked }
  - id: reply
    use: sluice/respond
    timeout: 1s
    when: = $not($exists(body.quiet))
    input: { status: $.body.status, headers: $.body.headers, body: $.body.body }
---
sluice: 1
kind: flow
name: ask
template: ask
"#;

async fn start() -> Server {
    let server = Server::start().await;
    server.install("sluice/rest:1.0.0").await;
    let body = json!({ "files": [{ "name": "ask.yaml", "text": FILES }] });
    let applied = server.call("POST", "/api/v1/apply", Some(&body.to_string())).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    server
}

async fn ask(server: &Server, body: &serde_json::Value) -> Answer {
    let hooks = server.call("GET", "/api/v1/flows/ask/hooks", None).await.json();
    let path = hooks[0]["urls"][0]["path"].as_str().unwrap().to_owned();
    let request = Request::post(path).header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn the_flow_answers_the_request() {
    let server = start().await;
    for (asked, status, kind, text) in [
        (
            json!({ "status": 201, "headers": {}, "body": { "a": [1] } }),
            201,
            Some("application/json"),
            r#"{"a":[1]}"#,
        ),
        (json!({ "status": 200, "headers": {}, "body": "hi" }), 200, Some("text/plain; charset=utf-8"), "hi"),
        (json!({ "status": 204, "headers": {}, "body": null }), 204, None, ""),
        (
            json!({ "status": 404, "headers": { "Content-Type": "text/csv" }, "body": "a,b" }),
            404,
            Some("text/csv"),
            "a,b",
        ),
        (
            json!({ "status": 503, "headers": {}, "body": "later" }),
            503,
            Some("text/plain; charset=utf-8"),
            "later",
        ),
    ] {
        let answer = ask(&server, &asked).await;
        let found = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        assert_eq!((answer.status, found, answer.text.as_str()), (status, kind, text), "{asked}");
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn a_flow_that_fails_or_says_nothing_is_told_as_such() {
    let server = start().await;
    for status in [json!(99), json!("x")] {
        let failed = ask(&server, &json!({ "status": status, "headers": {}, "body": 1 })).await;
        assert_eq!((failed.status, failed.json()["code"].as_str()), (502, Some("A0032")), "{}", failed.text);
        assert!(failed.is_problem());
    }
    let letters = server.call("GET", "/api/v1/dead-letters", None).await.json();
    assert_eq!(letters["items"].as_array().unwrap().len(), 2, "{letters}");
    assert_eq!(letters["items"][0]["error"]["code"], "answer_invalid", "{letters}");
    let quiet = ask(&server, &json!({ "quiet": true })).await;
    assert_eq!((quiet.status, quiet.json()["code"].as_str()), (504, Some("A0033")), "{}", quiet.text);
}
