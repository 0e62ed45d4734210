//! Budgets that the file gives, and those that the API's answers tell of.

use chrono::Utc;
use serde_json::{Value, json};

use super::server::{Reply, Server, ok, status};
use super::{action, harness, over};

/// How long the second of two runs is told to wait after the first got this answer. Nothing where it was made.
async fn second(reply: Reply, extra: Value) -> Option<u64> {
    let server = Server::always(reply).await;
    let harness = harness().settings(json!({}));
    let config = over(action(&server, json!({})), extra);
    harness.action("call", config.clone(), json!({})).await.ok();
    match harness.action("call", config, json!({})).await {
        Err(error) if error.code == "rate_limited" => {
            assert_eq!((error.retryable, server.asked().len()), (true, 1));
            error.retry_after
        }
        _ => {
            assert_eq!(server.asked().len(), 2);
            None
        }
    }
}

#[tokio::test]
async fn answers_tell_when_the_next_request_may_be_made() {
    let epoch = (Utc::now().timestamp() + 600).to_string();
    for (reply, expect) in [
        (status(429, json!({})).header("retry-after", "600"), true),
        (status(503, json!({})).header("retry-after", "600"), true),
        (ok(json!({})).header("ratelimit", "\"default\";r=0;t=600"), true),
        (ok(json!({})).header("ratelimit", "limit=9, remaining=0, reset=600"), true),
        (ok(json!({})).header("ratelimit-remaining", "0").header("ratelimit-reset", "600"), true),
        (ok(json!({})).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", epoch), true),
        (ok(json!({})).header("x-ratelimit-remaining", "1").header("x-ratelimit-reset", "600"), false),
        (status(500, json!({})).header("retry-after", "600"), false),
        (ok(json!({})), false),
    ] {
        let wait = second(reply.clone(), json!({})).await;
        assert_eq!(wait.is_some_and(|wait| (590..=600).contains(&wait)), expect, "{reply:?}: {wait:?}");
        let silent = json!({ "http": { "rate_limit": { "learn": false } } });
        assert_eq!(second(reply, silent).await, None);
    }
}

#[tokio::test]
async fn all_functions_and_versions_of_an_instance_share_its_budget() {
    let server = Server::always(ok(json!({}))).await;
    let harness = harness().settings(json!({}));
    let limit = json!({ "http": { "rate_limit": { "requests": 2, "per_seconds": 3600, "concurrency": 1 } } });
    let config = over(action(&server, json!({})), limit);
    harness.action("call", config.clone(), json!({})).await.unwrap();
    let newer = over(config.clone(), json!({ "connector": "api@2.0.0", "function": "g" }));
    harness.action("call", newer, json!({})).await.unwrap();
    let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable, server.asked().len()), ("rate_limited", true, 2));
    assert!(error.retry_after.is_some_and(|wait| (3590..=3600).contains(&wait)), "{error:?}");
    assert!(error.message.contains("takes no more requests of this instance"), "{}", error.message);
    let other = over(config, json!({ "connector": "other@1.0.0" }));
    harness.action("call", other, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_login_counts_too() {
    let server = Server::always(ok(json!("token-1"))).await;
    let session = json!({ "login": { "path": "/login" }, "token": "$.response.body" });
    let config = over(
        action(&server, json!({})),
        json!({
            "auth": { "type": "session", "secrets": ["key"], "session": session },
            "http": { "rate_limit": { "requests": 1, "per_seconds": 3600 } },
        }),
    );
    let harness = harness().secrets(json!({ "key": "sesame" }));
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.last().path.as_str()), ("rate_limited", "/login"));
}
