//! Attachments and objects, from one container to another.

use serde_json::json;

use super::probe::{harness, of_each};
use super::{acted, body};

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_reaches_a_step_in_another_container() {
    of_each(async |library| {
        let input = json!({ "do": "store", "text": "some text" });
        let outputs = harness(library).action("act", json!({}), input).await.unwrap();
        let attachments = &outputs[0].headers["eio-attachments"];
        let file = json!({ "data": "c29tZSB0ZXh0", "size": 9, "content-type": "text/plain" });
        assert_eq!(attachments["file"], file, "{library}");
        assert_eq!(attachments["other"], json!({ "url": "https://files.example.com/a" }), "{library}");
        // Each harness is a container of its own.
        let next = harness(library).headers(outputs[0].headers.clone());
        assert_eq!(acted(&next, json!({ "do": "fetch" })).await.unwrap(), ["some text"], "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_reaches_a_component_of_the_other_platform() {
    for (from, to) in [("sailor-2.7.8", "ferryman-2.4.7"), ("ferryman-2.4.7", "sailor-2.7.8")] {
        let input = json!({ "do": "store", "text": from });
        let outputs = harness(from).action("act", json!({}), input).await.unwrap();
        let next = harness(to).headers(outputs[0].headers.clone());
        assert_eq!(acted(&next, json!({ "do": "fetch" })).await.unwrap(), [from]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_that_are_too_large_or_gone_are_an_error() {
    of_each(async |library| {
        let harness = harness(library);
        acted(&harness, json!({ "do": "store", "bytes": 600_000 })).await.unwrap();
        let fault = acted(&harness, json!({ "do": "store", "bytes": 800_000 })).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retryable),
            ("attachments_too_large", false),
            "{library}: {fault:?}"
        );
        let fault = acted(&harness, json!({ "do": "store", "text": "x", "lose": true })).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retryable),
            ("attachment_missing", false),
            "{library}: {fault:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_an_object_becomes_a_body() {
    let harness = harness("sailor-2.7.8");
    let outputs =
        harness.action("act", json!({}), json!({ "do": "lighten", "body": { "x": [1] } })).await.unwrap();
    assert_eq!(body(&outputs[0]), json!({ "x": [1] }));
    assert_eq!(outputs[0].headers["eio-headers"], json!({ "a": 1 }));
    let fault = acted(&harness, json!({ "do": "lighten", "body": {}, "id": "other" })).await.unwrap_err();
    assert_eq!(fault.code, "object_missing", "{fault:?}");
}
