//! What is on the wire: routing keys, names of deliveries, headers, sizes.

use serde_json::json;

use super::probe::{harness, of_each};
use super::{acted, headers};

#[tokio::test(flavor = "multi_thread")]
async fn a_routing_key_that_leads_nowhere_fails_the_run() {
    of_each(async |library| {
        let harness = harness(library);
        let more = json!({ "headers": { "X-EIO-Routing-Key": "somewhere" } });
        let fault = acted(&harness, json!({ "do": "emit", "body": 1, "more": more })).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retryable),
            ("unknown_routing_key", false),
            "{library}: {fault:?}"
        );
        assert!(fault.message.contains("somewhere"), "{library}: {fault:?}");
        acted(&harness, json!({ "do": "echo" })).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_keeps_what_belongs_to_it_in_its_headers() {
    of_each(async |library| {
        let more = json!({
            "id": "own", "headers": { "h": 1 }, "metadata": { "recordUid": "r" },
            "attachments": { "a": { "url": "https://files.example.com/a" } },
        });
        let harness = harness(library);
        let input = json!({ "do": "emit", "body": { "x": 1 }, "more": more });
        let outputs = harness.action("act", json!({}), input).await.unwrap();
        let kept = &outputs[0].headers;
        assert_eq!(kept["eio-headers"], json!({ "h": 1 }), "{library}");
        assert_eq!(kept["eio-metadata"], json!({ "recordUid": "r" }), "{library}");
        assert_eq!(kept["eio-attachments"]["a"]["url"], "https://files.example.com/a", "{library}");
        assert_eq!(kept["eio-id"], "own", "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_the_headers_of_a_message_is_given_back() {
    of_each(async |library| {
        let came = headers(&json!({
            "eio-headers": { "h": 1 }, "eio-attachments": { "a": { "url": "https://files.example.com/a" } },
        }));
        let out = acted(&harness(library).headers(came), json!({ "do": "message" })).await.unwrap();
        assert_eq!(out[0]["headers"]["h"], 1, "{library}: {out:?}");
        assert_eq!(out[0]["attachments"]["a"]["url"], "https://files.example.com/a", "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_of_forty_kilobytes_fits_and_one_that_does_not_is_refused() {
    of_each(async |library| {
        let harness = harness(library);
        let run = async |bytes: usize| {
            harness.action("act", json!({ "text": "x".repeat(bytes) }), json!({ "do": "pid", "of": 1 })).await
        };
        // One family carries the config in a header; its first libraries have room for little.
        let (fits, larger) = if library == "ferryman-1.1.3" { (1_500, 2_500) } else { (42_000, 50_000) };
        run(fits).await.unwrap();
        let larger = run(larger).await;
        if library.starts_with("ferryman") {
            let fault = larger.unwrap_err();
            assert_eq!((fault.code.as_str(), fault.retryable), ("bad_input", false), "{library}: {fault:?}");
        } else {
            larger.unwrap();
        }
    })
    .await;
}
