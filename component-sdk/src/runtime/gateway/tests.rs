//! What the answers to a request for credentials mean.

use sluice_protocol::Status;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// Answers one request; gives its path and body.
async fn once(answer: &'static str) -> (Gateway, tokio::task::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}/", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        let (mut first, mut length) = (String::new(), 0);
        socket.read_line(&mut first).await.unwrap();
        loop {
            let mut line = String::new();
            socket.read_line(&mut line).await.unwrap();
            if line.trim_end().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim_end().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        socket.write_all(answer.as_bytes()).await.unwrap();
        (first.split(' ').nth(1).unwrap().to_owned(), String::from_utf8(body).unwrap())
    });
    (Gateway::new(Boot { gateway, token: "t".to_owned() }).unwrap(), asked)
}

macro_rules! http {
    ($status:literal, $body:literal) => {
        concat!("HTTP/1.1 ", $status, "\r\nconnection: close\r\n\r\n", $body)
    };
}

#[tokio::test]
async fn a_refresh_names_the_version_that_was_refused() {
    let (gateway, asked) =
        once(http!("200 OK", r#"{"version":5,"settings":{},"secrets":{"access_token":"x"}}"#)).await;
    let got = gateway.refresh("inst_1", 4).await.unwrap().unwrap();
    assert_eq!(got.version, 5);
    let asked = asked.await.unwrap();
    assert_eq!(asked, ("/gateway/v1/credentials/inst_1/refresh".to_owned(), r#"{"version":4}"#.to_owned()));
}

#[tokio::test]
async fn each_refusal_has_its_meaning() {
    let problem =
        http!("409 Conflict", r#"{"status":409,"reason":"needs_reauth","detail":"authorise `crm`"}"#);
    for (answer, status, code, retryable) in [
        (problem, Status::Parked, "needs_reauth", true),
        (http!("409 Conflict", "<html>"), Status::Parked, "needs_reauth", true),
        (http!("404 Not Found", ""), Status::Error, "no_credentials", false),
        (http!("503 Service Unavailable", ""), Status::Error, "credentials_unavailable", true),
    ] {
        for refreshes in [false, true] {
            let (gateway, _) = once(answer).await;
            let error = match refreshes {
                false => gateway.fetch("inst_1").await.map(|_| "credentials").unwrap_err(),
                true => gateway.refresh("inst_1", 1).await.map(|_| "credentials").unwrap_err(),
            };
            assert_eq!((error.status(), error.code(), error.is_retryable()), (status, code, retryable));
            assert!(answer != problem || error.to_string().contains("authorise `crm`"), "{error}");
        }
    }
}

#[tokio::test]
async fn no_content_means_that_nothing_can_be_refreshed() {
    let (gateway, _) = once("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    assert!(gateway.refresh("inst_1", 1).await.unwrap().is_none());
}

#[tokio::test]
async fn a_step_keeps_what_it_puts() {
    let step: StepKey = "flow_1/2/step".parse().unwrap();
    let (gateway, asked) = once(http!("200 OK", r#"{"step":"flow_1/2/step","value":{"n":null}}"#)).await;
    assert_eq!(gateway.state(&step).await.unwrap(), Some(serde_json::json!({ "n": null })));
    let asked = asked.await.unwrap();
    assert_eq!(asked, ("/gateway/v1/state".to_owned(), r#"{"step":"flow_1/2/step"}"#.to_owned()));
    let (gateway, asked) = once(http!("204 No Content", "")).await;
    assert!(gateway.put_state(&step, &Value::Null).await.unwrap());
    let asked = asked.await.unwrap();
    assert_eq!(asked.1, r#"{"step":"flow_1/2/step","value":null}"#);
}

#[tokio::test]
async fn a_run_that_is_no_step_keeps_nothing() {
    let step: StepKey = "inv_1".parse().unwrap();
    for answer in [http!("204 No Content", ""), http!("404 Not Found", "")] {
        let (gateway, _) = once(answer).await;
        assert_eq!(gateway.state(&step).await.unwrap(), None);
    }
    let (gateway, _) = once(http!("404 Not Found", "")).await;
    assert!(!gateway.put_state(&step, &Value::Null).await.unwrap());
    for (answer, code, retryable) in [
        (http!("413 Payload Too Large", ""), "state_too_large", false),
        (http!("503 Service Unavailable", ""), "state_unavailable", true),
    ] {
        let (gateway, _) = once(answer).await;
        let error = gateway.put_state(&step, &Value::Null).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable));
    }
    let (gateway, _) = once(http!("503 Service Unavailable", "")).await;
    assert!(gateway.state(&step).await.unwrap_err().is_retryable());
}
