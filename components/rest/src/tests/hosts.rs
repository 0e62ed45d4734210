//! Redirects and next pages: where they may lead, and what goes along.

use serde_json::json;

use super::server::{Server, ids, ok, status};
use super::{action, harness, over, run};

#[tokio::test]
async fn redirects_to_other_hosts_are_refused_unless_named() {
    let server = Server::always(ok(json!({}))).await;
    let target = format!("{}/end", server.other_url());
    server.answer(move |asked| match asked.path.as_str() {
        "/end" => ok(json!({ "end": true })),
        _ => status(302, json!({})).header("location", target.clone()),
    });
    let auth = json!({ "auth": { "type": "bearer" } });
    let config = over(action(&server, json!({ "request": { "headers": { "Cookie": "a=1" } } })), auth);
    let harness = harness().secrets(json!({ "token": "tok-12345" }));
    let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("host_refused", false));
    assert_eq!(server.asked().len(), 1);
    // Named, but no credentials go along.
    let config = over(config, json!({ "http": { "allowed_hosts": ["localhost"] } }));
    harness.action("call", config.clone(), json!({})).await.unwrap();
    let asked = server.last();
    assert_eq!(asked.path, "/end");
    assert!(
        !asked.headers.contains_key("authorization") && !asked.headers.contains_key("cookie"),
        "{asked:?}"
    );
    assert_eq!(server.asked()[1].headers["authorization"], "Bearer tok-12345");
    // A wildcard lets in public addresses only.
    let wild = format!("http://a.localhost:{}/end", server.url().rsplit(':').next().unwrap());
    server.answer(move |_| status(302, json!({})).header("location", wild.clone()));
    let config = over(config, json!({ "http": { "allowed_hosts": ["*.localhost"] } }));
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    // Where the name has no address at all, the connection fails.
    assert!(["host_refused", "connect"].contains(&error.code.as_str()), "{error:?}");
}

#[tokio::test]
async fn other_ports_of_the_host_are_refused_unless_the_host_is_named() {
    let other = Server::always(ok(json!({ "other": true }))).await;
    let server = Server::always(ok(json!({}))).await;
    let target = format!("{}/end", other.url());
    server.answer(move |_| status(302, json!({})).header("location", target.clone()));
    let auth = json!({ "auth": { "type": "bearer" } });
    let config = over(action(&server, json!({ "request": { "headers": { "Cookie": "a=1" } } })), auth);
    let harness = harness().secrets(json!({ "token": "tok-12345" }));
    let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("host_refused", false));
    assert!(error.message.contains("another port"), "{}", error.message);
    assert!(other.asked().is_empty());
    let config = over(config, json!({ "http": { "allowed_hosts": ["127.0.0.1"] } }));
    harness.action("call", config, json!({})).await.unwrap();
    let asked = other.last();
    assert!(
        !asked.headers.contains_key("authorization") && !asked.headers.contains_key("cookie"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn redirects_at_home_keep_credentials_and_turn_post_into_get() {
    let server = Server::always(ok(json!({}))).await;
    server.answer(|asked| match asked.path.as_str() {
        "/end" => ok(json!({ "end": true })),
        "/x" => status(303, json!({})).header("location", "/next?a=1"),
        _ => status(307, json!({})).header("location", "end"),
    });
    let request = json!({ "request": { "method": "POST", "body": { "value": { "a": 1 } } } });
    let config = over(action(&server, request), json!({ "auth": { "type": "bearer" } }));
    let harness = harness().secrets(json!({ "token": "tok-12345" }));
    harness.action("call", config, json!({})).await.unwrap();
    let asked = server.asked();
    let told: Vec<_> =
        asked.iter().map(|one| (one.method.as_str(), one.path.as_str(), one.body.as_str())).collect();
    assert_eq!(told, [("POST", "/x", "{\"a\":1}"), ("GET", "/next", ""), ("GET", "/end", "")]);
    assert!(asked.iter().all(|one| one.headers["authorization"] == "Bearer tok-12345"));
}

#[tokio::test]
async fn endless_redirects_and_metadata_services_are_refused() {
    let server = Server::always(status(302, json!({})).header("location", "/x")).await;
    let error = run(action(&server, json!({})), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("too_many_redirects", 6));
    for target in ["http://169.254.169.254/latest", "http://10.0.0.1/", "ftp://127.0.0.1/"] {
        server.answer(move |_| status(302, json!({})).header("location", target));
        let error = run(action(&server, json!({})), json!({})).await.unwrap_err();
        assert_eq!(error.code, "host_refused", "{target}");
    }
    let allowed =
        json!({ "http": { "base_url": "http://169.254.169.254", "allowed_hosts": ["169.254.169.254"] } });
    let error = run(over(action(&server, json!({})), allowed), json!({})).await.unwrap_err();
    assert_eq!(error.code, "host_refused");
}

#[tokio::test]
async fn a_next_page_on_another_host_is_refused() {
    let server = Server::always(ok(json!({}))).await;
    let next = format!("{}/page2", server.other_url());
    server.answer(move |_| ok(json!({ "items": ids(1..3), "next": next })));
    let plan = json!({
        "response": { "result": "$.response.body.items" },
        "pagination": { "type": "next_url", "next": "$.response.body.next" }
    });
    let error = run(action(&server, plan), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("host_refused", 1));
}
