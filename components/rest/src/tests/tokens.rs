//! Access tokens of OAuth: how they travel, and what happens when one is refused.

use serde_json::{Value, json};
use sluice_sdk::testing::Harness;

use super::server::{Asked, Reply, Server, ok, status};
use super::{action, bodies, harness, over, trigger};

fn bearer() -> Value {
    json!({ "auth": { "type": "oauth2", "in": "header", "name": "Authorization", "prefix": "Bearer " } })
}

fn with_token() -> Harness {
    harness().secrets(json!({ "access_token": "old-token" }))
}

/// Accepts the new token only.
fn picky(asked: &Asked) -> Reply {
    match asked.headers.get("authorization").map(String::as_str) {
        Some("Bearer new-token") => ok(json!({ "body": asked.body })),
        _ => status(401, json!({ "error": "old-token is over" })),
    }
}

fn tokens(server: &Server) -> Vec<String> {
    server.asked().iter().map(|one| one.headers["authorization"].clone()).collect()
}

#[tokio::test]
async fn a_token_goes_into_the_header_or_the_query() {
    for (auth, header, expect, query) in [
        (bearer()["auth"].clone(), "authorization", Some("Bearer old-token"), ""),
        (json!({ "type": "oauth2", "name": "X-Token" }), "x-token", Some("old-token"), ""),
        (
            json!({ "type": "oauth2", "in": "query", "name": "access_token" }),
            "authorization",
            None,
            "access_token=old-token",
        ),
    ] {
        let server = Server::always(ok(json!({}))).await;
        let config = over(action(&server, json!({})), json!({ "auth": auth }));
        with_token().action("call", config, json!({})).await.unwrap();
        let asked = server.last();
        assert_eq!(asked.headers.get(header).map(String::as_str), expect);
        assert_eq!(asked.query, query);
    }
}

#[tokio::test]
async fn a_refused_token_is_refreshed_and_the_request_made_once_more() {
    let server = Server::start(picky).await;
    let request = json!({ "request": { "method": "POST", "body": { "value": { "a": 1 } } } });
    let config = over(action(&server, request), bearer());
    let harness = with_token().refreshed(json!({ "access_token": "new-token" }));
    let outputs = harness.action("call", config, json!({})).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({ "body": "{\"a\":1}" })]);
    assert_eq!(tokens(&server), ["Bearer old-token", "Bearer new-token"]);
    let keys: Vec<_> = server.asked().iter().map(|one| one.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys[0], keys[1], "it is the same request");
}

#[tokio::test]
async fn a_token_goes_along_with_other_keys_and_all_of_them_are_masked() {
    let server = Server::start(|asked| match asked.headers["authorization"].as_str() {
        "Bearer new-token" if asked.path == "/x" => ok(json!({ "key": asked.headers["x-app"] })),
        "Bearer new-token" => {
            status(400, json!({ "said": [asked.headers["x-app"], "new-token", "old-token"] }))
        }
        _ => status(401, json!({})),
    })
    .await;
    let all = json!({ "auth": { "all": [
        { "type": "oauth2", "in": "header", "name": "Authorization", "prefix": "Bearer " },
        { "type": "api_key", "name": "X-App", "secret": "app_key" },
        { "type": "script", "script": "sign", "secrets": ["seal"] },
    ] }, "scripts": { "sign": "(request, secrets) => ({ headers: { 'x-seal': secrets.seal + request.headers['x-app'] } })" } });
    let secrets = |token: &str| json!({ "access_token": token, "app_key": "key-of-the-app", "seal": "seal-of-the-app" });
    let harness = || harness().secrets(secrets("old-token")).refreshed(secrets("new-token"));
    let config = over(action(&server, json!({})), all);
    let outputs = harness().action("call", config.clone(), json!({})).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({ "key": "key-of-the-app" })]);
    assert_eq!(tokens(&server), ["Bearer old-token", "Bearer new-token"]);
    assert_eq!(server.last().headers["x-seal"], "seal-of-the-appundefined", "it does not see the other keys");
    let elsewhere = over(config, json!({ "kind": { "action": { "request": { "path": "/y" } } } }));
    let error = harness().action("call", elsewhere, json!({})).await.unwrap_err();
    assert!(error.message.contains(r#"["***","***","***"]"#), "{}", error.message);
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_an_error_for_good() {
    let server = Server::always(status(401, json!({ "why": "newer-token and old-token are over" }))).await;
    let config = over(action(&server, json!({})), bearer());
    let harness = with_token().refreshed(json!({ "access_token": "newer-token" }));
    let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("unauthorized", false));
    assert!(error.message.contains("*** and *** are over"), "{}", error.message);
    assert_eq!(server.asked().len(), 2);
    // Nothing to refresh: no second request.
    let error = with_token().action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("unauthorized", 3));
}

#[tokio::test]
async fn an_instance_that_a_person_must_authorise_is_said_to_be_so() {
    let server = Server::start(picky).await;
    let config = over(action(&server, json!({})), bearer());
    let harness = with_token().needs_reauth();
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("needs_reauth", 1));
}

#[tokio::test]
async fn rules_say_what_refuses_a_token() {
    let rules = json!({ "http": { "errors": [
        { "status": [200], "when": "= response.body.error = 'token_expired'", "then": "refresh" },
        { "status": [403], "then": "reauthorize", "message": "= 'gone: ' & response.body.why" },
        { "status": [401], "when": "= response.body.keep", "then": "retry" }
    ] } });
    let server = Server::start(|asked| match asked.headers["authorization"].as_str() {
        "Bearer new-token" => ok(json!({ "ok": true })),
        _ => ok(json!({ "ok": false, "error": "token_expired" })),
    })
    .await;
    let config = over(over(action(&server, json!({})), bearer()), rules);
    let harness = with_token().refreshed(json!({ "access_token": "new-token" }));
    let outputs = harness.action("call", config.clone(), json!({})).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({ "ok": true })]);
    server.answer(|_| status(403, json!({ "why": "account closed" })));
    let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
    assert_eq!(error.code, "needs_reauth");
    assert!(error.message.ends_with("403: gone: account closed"), "{}", error.message);
    server.answer(|_| status(401, json!({ "keep": true })));
    let before = server.asked().len();
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable, server.asked().len() - before), ("http_401", true, 1));
}

#[tokio::test]
async fn other_ways_to_authorise_know_no_refresh() {
    let server = Server::always(status(401, json!({}))).await;
    let rules = json!({ "auth": { "type": "bearer" }, "http": { "errors": [{ "status": [401], "then": "refresh" }] } });
    let config = over(action(&server, json!({})), rules);
    let harness = harness().secrets(json!({ "token": "t-12345" })).refreshed(json!({ "token": "new" }));
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable, server.asked().len()), ("http_401", false, 1));
}

#[tokio::test]
async fn a_token_that_ends_between_two_pages_is_refreshed_there() {
    let server = Server::start(|asked| {
        let (page, token) = (asked.param("page").unwrap(), asked.headers["authorization"].as_str());
        match (page.as_str(), token) {
            ("1", "Bearer old-token") => ok(json!([{ "id": 1 }])),
            ("2", "Bearer new-token") => ok(json!([{ "id": 2 }])),
            (_, "Bearer new-token") => ok(json!([])),
            _ => status(401, json!({})),
        }
    })
    .await;
    let plan = json!({ "key": "$.item.id", "pagination": { "type": "page", "param": "page" } });
    let config = over(trigger(&server, plan), bearer());
    let harness = with_token().refreshed(json!({ "access_token": "new-token" }));
    let polled = harness.poll("poll", config, None).await.unwrap();
    assert_eq!(bodies(&polled.outputs), [json!({ "id": 1 }), json!({ "id": 2 })]);
}
