//! Answers to the request that began an execution.

use serde_json::json;

use super::body;
use super::probe::{harness, of_each};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_through_its_own_port() {
    of_each(async |library| {
        // The first library of elastic.io knows no answers.
        if library == "sailor-1.3.0" {
            return;
        }
        let harness = harness(library).settings(json!({})).secrets(json!({ "password": "hidden" }));
        let input = json!({
            "do": "reply", "status": 202, "body": { "id": 7 },
            "headers": { "X-Shop": "eu", "x-count": 3, "content-length": "5" },
        });
        let outputs = harness.action("act", json!({}), input).await.unwrap();
        let ports: Vec<&str> = outputs.iter().map(|output| output.port.as_str()).collect();
        assert_eq!(ports, ["reply", "out"], "{library}");
        let answer =
            json!({ "status": 202, "headers": { "x-shop": "eu", "x-count": "3" }, "body": { "id": 7 } });
        assert_eq!(body(&outputs[0]), answer, "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_whoever_asked_is_an_answer_too() {
    of_each(async |library| {
        let input = json!({ "do": "answer", "body": [1, 2] });
        let outputs = harness(library).action("act", json!({}), input).await.unwrap();
        let ports: Vec<&str> = outputs.iter().map(|output| output.port.as_str()).collect();
        assert_eq!(ports, ["reply", "out"], "{library}");
        let answer = json!({ "status": 201, "headers": { "x-shop": "eu" }, "body": [1, 2] });
        assert_eq!(body(&outputs[0]), answer, "{library}");
    })
    .await;
}
