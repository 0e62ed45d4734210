//! The resources, as an operator uses them.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use sluice_ports::broker::Health;

use crate::harness::{FLOW, Server, apply};

#[tokio::test]
async fn a_flow_is_applied_seen_and_steered() {
    let server = Server::start().await;
    server.deploy().await;
    let list = server.call("GET", "/api/v1/flows", None).await.json();
    assert_eq!(list["items"][0]["name"], "demo", "{list}");
    let flow = server.call("GET", "/api/v1/flows/demo", None).await;
    assert_eq!(flow.json()["steps"].as_array().unwrap().len(), 2);
    let by_id = format!("/api/v1/flows/{}", flow.json()["id"].as_str().unwrap());
    assert_eq!(server.call("GET", &by_id, None).await.status, 200);
    for (verb, intent) in [("pause", "pause"), ("stop", "stop"), ("start", "run")] {
        let answer = server.call("POST", &format!("/api/v1/flows/demo/{verb}"), None).await;
        assert_eq!((answer.status, answer.json()["intent"].as_str()), (202, Some(intent)), "{}", answer.text);
    }
    assert_eq!(server.call("DELETE", "/api/v1/flows/demo", None).await.status, 202);
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let server = Server::start().await;
    server.deploy().await;
    let again = server.call("POST", "/api/v1/apply", Some(&apply(FLOW))).await.json();
    assert!(again["items"].as_array().unwrap().iter().all(|item| item["action"] == "keep"), "{again}");
}

#[tokio::test]
async fn faulty_files_are_refused_with_all_their_diagnostics() {
    let server = Server::start().await;
    server.deploy().await;
    let faulty = FLOW.replace("demo/act", "demo/acts").replace("name: demo\n", "name: demo\ncolour: red\n");
    let answer = server.call("POST", "/api/v1/apply", Some(&apply(&faulty))).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("A0009")), "{}", answer.text);
    let codes: Vec<_> =
        answer.json()["diagnostics"].as_array().unwrap().iter().map(|found| found["code"].clone()).collect();
    assert_eq!(codes, ["F0011", "F0022"], "{}", answer.text);
    let checked = server.call("POST", "/api/v1/validate", Some(&apply(&faulty))).await;
    assert_eq!((checked.status, checked.json()["valid"].as_bool()), (200, Some(false)), "{}", checked.text);
}

#[tokio::test]
async fn a_change_of_a_flow_that_somebody_else_changed_is_refused() {
    let server = Server::start().await;
    server.deploy().await;
    let seen = server.call("GET", "/api/v1/flows/demo", None).await;
    let etag = seen.headers["etag"].to_str().unwrap().to_owned();
    let tag = [("if-match", etag.as_str())];
    assert_eq!(server.call_with("POST", "/api/v1/flows/demo/pause", None, &tag).await.status, 202);
    let late = server.call_with("POST", "/api/v1/flows/demo/stop", None, &tag).await;
    assert_eq!((late.status, late.json()["code"].as_str()), (412, Some("A0011")), "{}", late.text);
    let now = server.call("GET", "/api/v1/flows/demo", None).await.json();
    assert_eq!(now["intent"], "pause");
}

#[tokio::test]
async fn a_request_with_the_same_idempotency_key_is_done_once() {
    let server = Server::start().await;
    server.deploy().await;
    let trigger = "/api/v1/flows/demo/trigger";
    let key = [("idempotency-key", "k-1")];
    let first = server.call_with("POST", trigger, Some(r#"{"body":{"a":1}}"#), &key).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let again = server.call_with("POST", trigger, Some(r#"{"body":{"a":1}}"#), &key).await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    assert_eq!(again.headers["idempotent-replay"], "true");
    let other = server.call_with("POST", trigger, Some(r#"{"body":{"a":2}}"#), &key).await;
    assert_eq!((other.status, other.json()["code"].as_str()), (422, Some("A0018")), "{}", other.text);
    let unkeyed = server.call("POST", trigger, Some(r#"{"body":{"a":1}}"#)).await;
    assert_ne!(unkeyed.text, first.text);
    for bad in ["", "a b", &"x".repeat(300)] {
        let answer = server.call_with("POST", trigger, Some("{}"), &[("idempotency-key", bad)]).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn lists_go_by_the_page() {
    let server = Server::start().await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/tokens?limit=2".to_owned();
    loop {
        let page = server.call("GET", &path, None).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|token| token["id"].clone()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/tokens?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    let server = Server::start().await;
    let body = r#"{"name":"ci","permissions":["read"],"expires_in":"90d"}"#;
    let made = server.call("POST", "/api/v1/tokens", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, token) = (made.json()["id"].clone(), made.json()["token"].clone());
    let (id, token) = (id.as_str().unwrap(), token.as_str().unwrap());
    assert!(server.engine.authenticate(token).await.unwrap().is_some());
    let list = server.call("GET", "/api/v1/tokens", None).await;
    assert!(list.text.contains(id) && !list.text.contains(token), "{}", list.text);
    assert_eq!(server.call("DELETE", &format!("/api/v1/tokens/{id}"), None).await.status, 204);
    assert!(server.engine.authenticate(token).await.unwrap().is_none());
}

#[tokio::test]
async fn expressions_can_be_tried() {
    let server = Server::start().await;
    for (body, expect) in [
        (r#"{"jsonata":"a + 1","input":{"a":1}}"#, r#"{"value":2}"#),
        (r#"{"jsonpath":"$.a","input":{"a":1}}"#, r#"{"value":1}"#),
        (r#"{"jsonpath":"$.b","input":{"a":1}}"#, "{}"),
        (r#"{"mapping":{"x":"$.body"},"input":{"body":7}}"#, r#"{"value":{"x":7}}"#),
    ] {
        let answer = server.call("POST", "/api/v1/mappings/evaluate", Some(body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, expect), "{body}");
    }
}

#[tokio::test]
async fn health_tells_reasons_only_to_callers_with_a_token() {
    let server = Server::start().await;
    assert_eq!(server.call("GET", "/healthz", None).await.json()["status"], "live");
    assert_eq!(server.call("GET", "/readyz", None).await.status, 200);
    server.broker.set_health(away());
    let told = server.call("GET", "/readyz", None).await;
    let reason = "the broker is away for 7 s: nobody listens";
    assert_eq!((told.status, told.json()["reasons"][0].as_str()), (503, Some(reason)), "{}", told.text);
    let stranger = server.send(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    assert!(stranger.status == 503 && !stranger.text.contains("nobody listens"), "{}", stranger.text);
}

#[tokio::test]
async fn a_flow_that_is_to_run_tells_that_the_broker_is_away() {
    let server = Server::start().await;
    server.deploy().await;
    server.broker.set_health(away());
    let told = async || {
        let flow = server.call("GET", "/api/v1/flows/demo", None).await;
        flow.json()["reasons"].to_string().contains("the broker is away for 7 s: nobody listens")
    };
    assert!(told().await);
    server.call("POST", "/api/v1/flows/demo/pause", None).await;
    assert!(!told().await, "a paused flow waits for its operator");
}

fn away() -> Health {
    Health::Down { reason: "nobody listens".to_owned(), since: Duration::from_secs(7) }
}
