//! What answers mean that are no success.

use serde_json::json;

use super::server::{Server, ok, status, text};
use super::{action, harness, over, run};

#[tokio::test]
async fn a_status_tells_whether_to_try_again() {
    for (code, header, retryable, after) in [
        (400, None, false, None),
        (404, None, false, None),
        (304, None, false, None),
        (408, None, true, None),
        (425, None, true, None),
        (429, Some(("retry-after", "7")), true, Some(7)),
        (429, Some(("x-ratelimit-reset", "9")), true, Some(9)),
        (503, Some(("x-ratelimit-reset", "9")), true, None),
        (503, Some(("retry-after", "3")), true, Some(3)),
    ] {
        let mut reply = status(code, json!({ "why": "so" }));
        if let Some((name, value)) = header {
            reply = reply.header(name, value);
        }
        let server = Server::always(reply).await;
        let error = run(action(&server, json!({})), json!({})).await.unwrap_err();
        let got = (error.code.as_str(), error.retryable, error.retry_after);
        assert_eq!(got, (format!("http_{code}").as_str(), retryable, after));
    }
}

#[tokio::test]
async fn rules_come_before_the_usual_meaning() {
    let rules = json!({ "http": { "errors": [
        { "status": [404], "then": "ignore" },
        { "status": [200], "when": "= response.body.ok = false", "then": "fail", "message": "= 'refused: ' & response.body.error" },
        { "status": [409], "when": "$.response.body.busy", "then": "retry" },
        { "when": "= response.headers.`x-bad` = 'yes'", "then": "fail", "message": "bad" }
    ] } });
    let server = Server::always(ok(json!({}))).await;
    let config = over(action(&server, json!({})), rules);
    for (reply, expect) in [
        (status(404, json!({ "gone": true })), Ok(json!({ "gone": true }))),
        (ok(json!({ "ok": true })), Ok(json!({ "ok": true }))),
        (
            ok(json!({ "ok": false, "error": "no such list" })),
            Err(("http_200", false, "200: refused: no such list")),
        ),
        (status(409, json!({ "busy": true })), Err(("http_409", true, "409: {\"busy\":true}"))),
        (status(409, json!({ "busy": false })), Err(("http_409", false, "409: {\"busy\":false}"))),
        (ok(json!({})).header("x-bad", "yes"), Err(("http_200", false, "200: bad"))),
    ] {
        server.answer(move |_| reply.clone());
        match (run(config.clone(), json!({})).await, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got, [expect]),
            (Err(error), Err((code, retryable, text))) => {
                assert_eq!((error.code.as_str(), error.retryable), (code, retryable));
                assert!(error.message.ends_with(text), "{}", error.message);
            }
            (got, expect) => panic!("{got:?} is not {expect:?}"),
        }
    }
}

#[tokio::test]
async fn an_error_says_where_and_what_but_no_query_and_no_secret() {
    let secret = "sesame-open-42";
    let long = format!("{}{secret} {}", "x".repeat(280), "y".repeat(400));
    let server = Server::always(text(400, "text/plain", &long)).await;
    let config = over(
        action(&server, json!({ "request": { "query": { "private": "mine" } } })),
        json!({ "auth": { "type": "api_key", "in": "query", "name": "key" } }),
    );
    let harness = harness().secrets(json!({ "api_key": secret }));
    let message = harness.action("call", config.clone(), json!({})).await.unwrap_err().message;
    assert!(message.starts_with("GET 127.0.0.1/x: 400: xxx"), "{message}");
    assert!(!message.contains("mine") && !message.contains("sesame"), "{message}");
    assert!(message.chars().count() < 340, "{message}");
    // Nobody listens there.
    let config = over(config, json!({ "http": { "base_url": "http://127.0.0.1:1" } }));
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("connect", true));
    assert!(!error.message.contains("sesame") && !error.message.contains("mine"), "{}", error.message);
}
