//! Requests that actions make, and what becomes of the answers.

use serde_json::json;

use super::server::{Server, ok, status, text};
use super::{action, bodies, harness, over, run};

#[tokio::test]
async fn a_request_is_built_from_variables_config_and_input() {
    let server =
        Server::always(ok(json!({ "data": { "id": 7 } })).header("x-one", "1").header("x-one", "2")).await;
    let config = over(
        action(
            &server,
            json!({
                "request": {
                    "method": "POST",
                    "path": "/contacts/{id}/notes/{kind}",
                    "path_params": { "kind": "= $lowercase(config.kind)" },
                    "query": { "tag": "$.input.tags", "none": "$.input.nothing", "page": 2 },
                    "headers": { "X-Tenant": "$.vars.tenant", "X-None": "= input.nothing" },
                    "body": { "value": { "name": "$.input.name", "nothing": "$.input.nothing", "fixed": [1, true] } }
                },
                "response": { "result": "= { 'id': response.body.data.id, 'tenant': vars.tenant, 'one': response.headers.`x-one`, 'status': response.status }" }
            }),
        ),
        json!({ "config": { "kind": "CALL" }, "http": { "base_url": "= vars.url & '/v1/'", "query": { "page": 1, "v": 3 } } }),
    );
    let harness = harness().settings(json!({ "tenant": "acme", "url": server.url() }));
    let input = json!({ "id": "a/b", "tags": ["x", "y z"], "name": "Ann" });
    let outputs = harness.action("call", config, input).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({ "id": 7, "tenant": "acme", "one": "1, 2", "status": 200 })]);
    assert_eq!(outputs[0].headers["http.status"], 200);
    let asked = server.last();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/contacts/a%2Fb/notes/call"));
    assert_eq!(asked.query, "v=3&tag=x&tag=y+z&page=2");
    assert_eq!(asked.headers["x-tenant"], "acme");
    assert_eq!(asked.headers.get("x-none"), None);
    assert_eq!(asked.headers["content-type"], "application/json");
    assert!(asked.headers["idempotency-key"].starts_with("msg_"));
    assert_eq!(asked.body, r#"{"name":"Ann","fixed":[1,true]}"#);
}

#[tokio::test]
async fn what_would_break_a_request_is_refused() {
    let server = Server::always(ok(json!({}))).await;
    for (request, code) in [
        (json!({ "headers": { "X-A": "$.input.evil" } }), "bad_header"),
        (json!({ "headers": { "X-A": "$.input.long" } }), "bad_header"),
        (json!({ "path": "/a/{up}" }), "bad_path"),
        (json!({ "path": "= '@evil.example/'" }), "bad_path"),
        (json!({ "path": "= input.nothing" }), "bad_path"),
        (json!({ "query": { "a": "$.input.long" } }), "bad_url"),
        (json!({ "query": { "a": "= $error('no')" } }), "expression_failed"),
    ] {
        let input = json!({ "evil": "a\r\nx: y", "long": "x".repeat(40_000), "up": ".." });
        let error = run(action(&server, json!({ "request": request })), input).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, false), "{request}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_result_is_the_body_where_nothing_says_otherwise() {
    let server = Server::always(status(204, json!(null))).await;
    server.answer(|_| text(200, "text/plain", "hello"));
    assert_eq!(run(action(&server, json!({})), json!({})).await.unwrap(), [json!("hello")]);
    server.answer(|_| text(204, "application/json", ""));
    assert_eq!(run(action(&server, json!({})), json!({})).await.unwrap(), [json!(null)]);
    server.answer(|_| text(200, "application/json", "<html>"));
    let error = run(action(&server, json!({})), json!({})).await.unwrap_err();
    assert_eq!(error.code, "bad_response");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let server = Server::always(ok(json!("x".repeat(5000)))).await;
    let config = over(action(&server, json!({})), json!({ "http": { "max_response_bytes": 4096 } }));
    let error = run(config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("response_too_large", false));
}

#[tokio::test]
async fn a_trigger_is_no_action() {
    let server = Server::always(ok(json!([]))).await;
    let error = run(super::trigger(&server, json!({})), json!({})).await.unwrap_err();
    assert_eq!(error.code, "bad_config");
}

#[tokio::test]
async fn a_traced_run_shows_its_traffic_without_secrets() {
    let server = Server::always(status(422, json!({ "echo": "hunter2-and-more" }))).await;
    let config = over(
        action(
            &server,
            json!({ "request": { "method": "POST", "path": "/x", "body": { "value": "$.input" } } }),
        ),
        json!({ "auth": { "type": "bearer" } }),
    );
    let harness = harness().secrets(json!({ "token": "hunter2" })).trace();
    let failed = harness.action("call", config.clone(), json!({ "password": "hunter2" })).await;
    assert_eq!(failed.unwrap_err().code, "http_422");
    server.answer(|_| ok(json!({ "echo": "hunter2" })));
    let outputs = harness.action("call", config, json!({ "password": "hunter2" })).await.unwrap();
    let [exchange, result] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!((exchange.port.as_str(), result.body.get()), ("exchange", r#"{"echo":"hunter2"}"#));
    let told = exchange.body.get();
    assert!(!told.contains("hunter2"), "{told}");
    let told: serde_json::Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["request"]["headers"]["authorization"], "Bearer ***");
    assert_eq!(told["request"]["body"], r#"{"password":"***"}"#);
    assert_eq!(
        (&told["response"]["status"], &told["response"]["body"]),
        (&json!(200), &json!(r#"{"echo":"***"}"#))
    );
}
