//! Requests against a server of a few lines on loopback.

use serde_json::{Value, json};
use sluice_sdk::protocol::ErrorInfo;
use sluice_sdk::testing::Harness;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each connection with the next of `answers`; gives its address and what it was asked.
async fn server(answers: Vec<String>) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut question = vec![0; 65536];
            let read = socket.read(&mut question).await.unwrap();
            asked.send(String::from_utf8_lossy(&question[..read]).to_lowercase()).unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, questions)
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn ask(harness: &Harness, config: Value, input: Value) -> Result<Value, ErrorInfo> {
    let outputs = harness.action("request", config, input).await?;
    Ok(serde_json::from_str(outputs[0].body.get()).unwrap())
}

fn plain() -> Harness {
    Harness::new(crate::component())
}

#[tokio::test]
async fn the_input_is_the_body_and_the_answer_is_parsed() {
    let (url, mut questions) =
        server(vec![answer("200 OK\r\ncontent-type: application/json", r#"{"ok":true}"#)]).await;
    let got = ask(&plain(), json!({ "method": "POST", "url": url }), json!({ "a": 1 })).await.unwrap();
    assert_eq!((&got["status"], &got["body"]), (&json!(200), &json!({ "ok": true })));
    let question = questions.recv().await.unwrap();
    assert!(question.contains("idempotency-key: msg_") && question.ends_with(r#"{"a":1}"#), "{question}");
}

#[tokio::test]
async fn an_input_may_describe_the_whole_request() {
    let (url, mut questions) = server(vec![answer("200 OK", "")]).await;
    let input = json!({ "url": format!("{url}/x?a=1"), "query": { "b": [2, "3 4"], "c": null }, "headers": { "X-One": "1" } });
    ask(&plain(), json!({}), input).await.unwrap();
    let question = questions.recv().await.unwrap();
    assert!(
        question.starts_with("get /x?a=1&b=2&b=3+4 http/1.1") && question.contains("x-one: 1"),
        "{question}"
    );
    assert!(!question.contains("idempotency-key"), "{question}");
}

#[tokio::test]
async fn a_status_tells_whether_to_try_again() {
    for (head, code, retryable, after) in [
        ("404 Not Found", "http_404", false, None),
        ("429 Slow\r\nretry-after: 7", "http_429", true, Some(7)),
        ("503 Busy", "http_503", true, None),
    ] {
        let (url, _questions) = server(vec![answer(head, "")]).await;
        let error = ask(&plain(), json!({ "url": url }), json!(null)).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable, error.retry_after), (code, retryable, after));
    }
    let (url, _questions) = server(vec![answer("404 Not Found", "gone")]).await;
    let got = ask(&plain(), json!({ "url": url, "fail_on": "5xx" }), json!(null)).await.unwrap();
    assert_eq!((&got["status"], &got["body"]), (&json!(404), &json!("gone")));
}

#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_host() {
    let (elsewhere, mut there) = server(vec![answer("200 OK", "")]).await;
    let (url, mut here) = server(vec![answer(&format!("302 Found\r\nlocation: {elsewhere}/next"), "")]).await;
    let harness = plain()
        .settings(json!({ "base_url": url }))
        .secrets(json!({ "token": "hunter2", "header_value": "k3y" }));
    ask(&harness, json!({ "url": "/start" }), json!(null)).await.unwrap();
    let first = here.recv().await.unwrap();
    assert!(first.contains("authorization: bearer hunter2") && first.contains("x-api-key: k3y"), "{first}");
    let second = there.recv().await.unwrap();
    assert!(
        second.starts_with("get /next") && !second.contains("hunter2") && !second.contains("k3y"),
        "{second}"
    );
}

#[tokio::test]
async fn a_header_cannot_smuggle_in_another() {
    let config = json!({ "url": "http://127.0.0.1:1", "headers": { "X-A": "1\r\nX-B: 2" } });
    assert_eq!(ask(&plain(), config, json!(null)).await.unwrap_err().code, "bad_header");
}

#[tokio::test]
async fn an_answer_that_is_too_large_and_a_dead_port_are_told_apart() {
    let (url, _questions) = server(vec![answer("200 OK", &"x".repeat(2000))]).await;
    let error =
        ask(&plain(), json!({ "url": url, "max_response_bytes": 100 }), json!(null)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("response_too_large", false));
    let error = ask(&plain(), json!({ "url": "http://127.0.0.1:1" }), json!(null)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("connect", true));
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let hops = (0..6).map(|_| answer("302 Found\r\nlocation: /", "")).collect();
    let (url, _questions) = server(hops).await;
    let error = ask(&plain(), json!({ "url": url }), json!(null)).await.unwrap_err();
    assert_eq!(error.code, "too_many_redirects");
}
