//! What steps keep, as containers ask for it at the gateway.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use sluice_http::gateway_router;
use sluice_protocol::limits;
use tower::ServiceExt;

use crate::attachments::{attached, call, developers};
use crate::harness::{FLOW, Server, apply};

/// Asks the gateway with the token of a container.
async fn ask(server: &Server, method: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri("/gateway/v1/state")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = gateway_router(server.engine.clone()).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), 8 << 20).await.unwrap();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

/// The token of a process that serves the flow `demo`.
async fn token(server: &Server) -> String {
    let (path, deployment) = attached(server).await;
    let (_, boot) =
        call(server, "POST", &format!("{path}/starts"), json!({ "deployment": deployment })).await;
    boot["token"].as_str().unwrap().to_owned()
}

async fn flow(server: &Server) -> String {
    server.call("GET", "/api/v1/flows/demo", None).await.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_step_puts_is_there_for_the_next_version() {
    let server = developers().await;
    let (token, flow) = (token(&server).await, flow(&server).await);
    let one = json!({ "step": format!("{flow}/1/act") });
    assert_eq!(ask(&server, "POST", &token, &one).await, (204, Value::Null));
    let state = json!({ "step": format!("{flow}/1/act"), "value": { "seen": [1, null] } });
    assert_eq!(ask(&server, "PUT", &token, &state).await, (204, Value::Null));
    assert_eq!(ask(&server, "POST", &token, &one).await, (200, state));

    let changed = FLOW
        .replace("version: 1.0.0", "version: 1.0.1")
        .replace("use: demo/act", "use: demo/act, timeout: 7s");
    assert_eq!(server.call("POST", "/api/v1/apply", Some(&apply(&changed))).await.status, 200);
    let (status, kept) = ask(&server, "POST", &token, &json!({ "step": format!("{flow}/2/act") })).await;
    assert_eq!((status, &kept["value"]), (200, &json!({ "seen": [1, null] })), "{kept}");
}

#[tokio::test]
async fn a_container_has_the_states_of_the_steps_that_it_serves() {
    let server = developers().await;
    let (token, flow) = (token(&server).await, flow(&server).await);
    let served = format!("{flow}/1/act");
    for step in [format!("{flow}/2/act"), format!("{flow}/1/none"), "flow_1/1/act".to_owned(), "x".to_owned()]
    {
        for (method, body) in
            [("POST", json!({ "step": step })), ("PUT", json!({ "step": step, "value": 1 }))]
        {
            let (status, problem) = ask(&server, method, &token, &body).await;
            assert_eq!((status, &problem["code"]), (404, &json!("A0003")), "{step}: {problem}");
        }
    }
    let (status, _) = ask(&server, "POST", "another", &json!({ "step": served })).await;
    assert_eq!(status, 401);
    let (status, problem) = ask(&server, "PUT", &token, &json!({ "step": "a b", "value": 1 })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("A0006")), "{problem}");
    // A text has two quotes.
    for (bytes, expected) in [(limits::STATE_BYTES - 2, 204), (limits::STATE_BYTES - 1, 413), (4 << 20, 413)]
    {
        let state = json!({ "step": served, "value": "x".repeat(bytes) });
        let (status, problem) = ask(&server, "PUT", &token, &state).await;
        assert_eq!(status, expected, "{bytes} bytes: {problem}");
    }
    let (_, kept) = ask(&server, "POST", &token, &json!({ "step": served })).await;
    assert_eq!(
        kept["value"].as_str().map(str::len),
        Some(limits::STATE_BYTES - 2),
        "a refused one changes nothing"
    );
}
