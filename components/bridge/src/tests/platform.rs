//! The platform that a process sees: secrets, objects, and what is refused.

use serde_json::{Value, json};

use super::probe::{LIBRARIES, harness, of_each};
use super::{acted, asked};

/// The libraries of elastic.io that may be narrowed to one.
fn sailors() -> impl Iterator<Item = &'static str> {
    let only = std::env::var("PROBE_LIBRARY").unwrap_or_default();
    LIBRARIES.into_iter().filter(move |library| library.starts_with("sailor") && library.contains(&only))
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_asked_of_the_platform() {
    of_each(async |library| {
        let harness = harness(library).settings(json!({ "user": "u" })).secrets(json!({ "password": "p" }));
        let out = acted(&harness, json!({ "do": "secret" })).await.unwrap();
        assert!(out[0]["secret"].to_string().contains('p'), "{library}: {out:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_were_refused_are_replaced_by_new_ones() {
    for library in sailors() {
        let harness = harness(library)
            .settings(json!({ "user": "u" }))
            .secrets(json!({ "password": "first" }))
            .refreshed(json!({ "password": "second" }));
        let credentials = |answer: &Value| answer["body"]["data"]["attributes"]["credentials"].clone();
        let path = "/v2/workspaces/1/secrets/1";
        let known = asked(&harness, json!({ "path": path })).await;
        assert_eq!(credentials(&known), json!({ "user": "u", "password": "first" }), "{library}");
        let refreshed = asked(&harness, json!({ "method": "POST", "path": format!("{path}/refresh") })).await;
        assert_eq!(credentials(&refreshed), json!({ "user": "u", "password": "second" }), "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_the_open_integration_hub_gets_the_secrets_of_now() {
    let harness = harness("ferryman-2.4.7").secrets(json!({ "password": "first" }));
    let told = asked(&harness, json!({ "path": "/secrets/1", "bearer": true })).await;
    assert_eq!(told["body"]["data"]["type"], "MIXED");
    let payload = told["body"]["data"]["value"]["payload"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(payload).unwrap(), json!({ "password": "first" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_who_does_not_know_the_key() {
    of_each(async |library| {
        let path = if library.starts_with("sailor") { "/v2/workspaces/1/secrets/1" } else { "/secrets/1" };
        let harness = harness(library).secrets(json!({ "password": "hidden" }));
        let refused = asked(&harness, json!({ "path": path, "anonymous": true })).await;
        assert_eq!(refused["status"], 401, "{library}");
        assert!(!refused.to_string().contains("hidden"), "{library}: {refused}");
        let wrong = json!({ "path": path, "anonymous": true, "headers": { "authorization": "Bearer x" } });
        assert_eq!(asked(&harness, wrong).await["status"], 401, "{library}");
        assert_eq!(asked(&harness, json!({ "path": "/nothing" })).await["status"], 404, "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_storage_keeps_changes_finds_and_forgets() {
    for library in sailors() {
        let harness = harness(library);
        let new = json!({
            "method": "POST", "path": "/objects", "bearer": true, "body": "one",
            "headers": { "content-type": "text/plain", "x-query-group": "g 1", "x-meta-note": "n" },
        });
        let made = asked(&harness, new).await;
        assert_eq!(made["status"], 201, "{library}: {made}");
        let path = format!("/objects/{}", made["body"]["objectId"].as_str().unwrap());
        let object = asked(&harness, json!({ "path": path, "bearer": true })).await;
        assert_eq!(
            (&object["text"], &object["headers"]["content-type"]),
            (&json!("one"), &json!("text/plain"))
        );
        assert_eq!(
            (&object["headers"]["x-query-group"], &object["headers"]["x-meta-note"]),
            (&json!("g 1"), &json!("n"))
        );
        let find = json!({ "path": "/objects?query%5BGroup%5D=g%201", "bearer": true });
        let found = asked(&harness, find.clone()).await;
        assert_eq!(found["body"][0]["objectId"], made["body"]["objectId"], "{library}: {found}");
        assert_eq!(found["body"][0]["queriableFields"], json!({ "group": "g 1" }), "{library}");
        let none =
            asked(&harness, json!({ "path": "/objects?query%5Bgroup%5D=other", "bearer": true })).await;
        assert_eq!(none["body"], json!([]), "{library}");
        assert_eq!(
            asked(&harness, json!({ "path": "/objects", "bearer": true })).await["status"],
            400,
            "{library}"
        );
        asked(&harness, json!({ "method": "PUT", "path": path, "bearer": true, "body": "two" })).await;
        let changed = asked(&harness, json!({ "path": path, "bearer": true })).await;
        assert_eq!(
            (&changed["text"], &changed["headers"]["x-meta-note"]),
            (&json!("two"), &Value::Null),
            "{library}"
        );
        let gone = asked(&harness, json!({ "method": "DELETE", "path": path, "bearer": true })).await;
        assert_eq!(gone["status"], 204, "{library}");
        assert_eq!(
            asked(&harness, json!({ "path": path, "bearer": true })).await["status"],
            404,
            "{library}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_address_takes_an_object_and_gives_it_back() {
    for library in sailors() {
        let harness = harness(library);
        let signed =
            asked(&harness, json!({ "method": "POST", "path": "/v2/resources/storage/signed-url" })).await;
        let (put, get) = (&signed["body"]["put_url"], &signed["body"]["get_url"]);
        assert_eq!(asked(&harness, json!({ "url": get })).await["status"], 404, "{library}");
        asked(&harness, json!({ "method": "PUT", "url": put, "body": "text" })).await;
        assert_eq!(asked(&harness, json!({ "url": get })).await["text"], "text", "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_of_an_account_are_refused_and_the_run_fails() {
    for library in sailors() {
        let fault = acted(&harness(library), json!({ "do": "keys" })).await.unwrap_err();
        assert_eq!(fault.code, "component_error", "{library}: {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platforms_have_and_we_have_not_is_refused_in_a_sentence() {
    let flows = asked(&harness("sailor-2.7.8"), json!({ "path": "/v2/flows/1" })).await;
    assert_eq!((&flows["status"], flows["body"]["message"].is_string()), (&json!(501), true), "{flows}");
    let harness = harness("ferryman-2.4.7");
    for path in ["/data/recordId/1", "/applyPolicy?action=x"] {
        let told = asked(&harness, json!({ "path": path, "bearer": true })).await;
        assert_eq!(
            (&told["status"], told["body"]["message"].is_string()),
            (&json!(501), true),
            "{path}: {told}"
        );
    }
    // The library would drop messages without a word where these are asked for.
    for setting in ["idLinking", "governance", "applyPolicy", "flowPolicy", "storeRawRecord"] {
        let config = json!({ "nodeSettings": { setting: true } });
        let fault = harness.action("act", config, json!({ "do": "echo" })).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("not_offered", false), "{setting}: {fault:?}");
        assert!(fault.message.contains(setting), "{fault:?}");
    }
}
