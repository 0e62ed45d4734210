//! The contracts of the families, tried on their real libraries: the probe beside this crate, on several versions of each.

mod probe;

use serde_json::{Value, json};
use sluice_sdk::testing::Harness;

use probe::{LIBRARIES, harness, of_each};

/// What a run emitted.
async fn acted(harness: &Harness, input: Value) -> Result<Vec<Value>, sluice_sdk::protocol::ErrorInfo> {
    let outputs = harness.action("act", json!({ "a": 1 }), input).await?;
    Ok(outputs.iter().map(|output| serde_json::from_str(output.body.get()).unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_goes_in_and_what_is_emitted_comes_out() {
    of_each(async |library| {
        let harness = harness(library).settings(json!({ "user": "u" })).secrets(json!({ "password": "p" }));
        let out = acted(&harness, json!({ "do": "echo", "number": 1.10, "text": "Grüße" })).await.unwrap();
        assert_eq!(out.len(), 1, "{library}: {out:?}");
        assert_eq!(out[0]["input"], json!({ "do": "echo", "number": 1.10, "text": "Grüße" }), "{library}");
        assert_eq!((&out[0]["cfg"]["a"], &out[0]["cfg"]["user"]), (&json!(1), &json!("u")), "{library}");
        assert_eq!(out[0]["cfg"]["password"], "p", "{library}");
        assert_eq!(out[0]["flow"], "flow_test", "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_emitted_comes_in_its_order() {
    of_each(async |library| {
        let harness = harness(library);
        let out = acted(&harness, json!({ "do": "many", "count": 300 })).await.unwrap();
        let numbers: Vec<u64> = out.iter().filter_map(|one| one["n"].as_u64()).collect();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_and_may_be_tried_again_when_the_network_failed() {
    of_each(async |library| {
        let harness = harness(library);
        let fault = acted(&harness, json!({ "do": "fail", "why": "no such thing" })).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retryable),
            ("component_error", false),
            "{library}: {fault:?}"
        );
        assert!(fault.message.contains("no such thing"), "{library}: {fault:?}");
        let input = json!({ "do": "fail", "why": "connect ECONNREFUSED 10.0.0.1:80" });
        let fault = acted(&harness, input).await.unwrap_err();
        assert!(fault.retryable, "{library}: {fault:?}");
        // And goes on.
        acted(&harness, json!({ "do": "echo" })).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebound_is_a_wish_for_another_attempt() {
    of_each(async |library| {
        for (attempt, seconds) in [(1, 15), (3, 60)] {
            let harness = harness(library).attempt(attempt);
            let wish = acted(&harness, json!({ "do": "rebound", "why": "busy" })).await.unwrap_err();
            assert_eq!((wish.code.as_str(), wish.retry_after), ("rebound", Some(seconds)), "{library}");
            assert!(wish.message.contains("busy"), "{library}: {wish:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_remembers_its_snapshot() {
    of_each(async |library| {
        let first = harness(library);
        let one = first.poll("count", json!({}), None).await.unwrap();
        assert_eq!(one.state, Some(json!({ "count": 1, "since": "first" })), "{library}");
        // Another process, which is told what the first one remembered.
        let next = harness(library)
            .poll("count", json!({}), Some(json!({ "count": 41, "since": "long" })))
            .await
            .unwrap();
        assert_eq!(next.outputs[0].body.get(), r#"{"count":42}"#, "{library}");
        assert_eq!(next.state, Some(json!({ "count": 42, "since": "long" })), "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_fails_its_run_and_the_next_one_starts_another() {
    of_each(async |library| {
        let harness = harness(library);
        for code in [0, 3] {
            let fault = acted(&harness, json!({ "do": "exit", "code": code })).await.unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.retryable),
                ("component_ended", true),
                "{library}: {fault:?}"
            );
        }
        acted(&harness, json!({ "do": "echo" })).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_given_up_takes_its_process_with_it() {
    of_each(async |library| {
        let harness = harness(library);
        let before = acted(&harness, json!({ "do": "pid" })).await.unwrap();
        let hanging = acted(&harness, json!({ "do": "hang" }));
        tokio::time::timeout(std::time::Duration::from_millis(300), hanging).await.unwrap_err();
        let after = acted(&harness, json!({ "do": "pid" })).await.unwrap();
        assert_ne!(before[0]["pid"], after[0]["pid"], "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_a_time_get_what_is_theirs() {
    of_each(async |library| {
        // 1.3.0 says not what an output belongs to: one at a time, or nobody knows.
        if library == "sailor-1.3.0" {
            return;
        }
        let harness = harness(library);
        let runs = (0..20).map(|of| acted(&harness, json!({ "do": "pid", "of": of, "wait": (20 - of) * 5 })));
        for (of, out) in futures_util::future::join_all(runs).await.into_iter().enumerate() {
            assert_eq!(out.unwrap().last().map(|one| one["of"].clone()), Some(json!(of)), "{library}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_and_larger_ones_are_an_error() {
    of_each(async |library| {
        let harness = harness(library);
        let out = acted(&harness, json!({ "do": "large", "bytes": 900_000 })).await.unwrap();
        assert_eq!(out[0]["text"].as_str().map(str::len), Some(900_000), "{library}");
        let fault = acted(&harness, json!({ "do": "large", "bytes": 1_200_000 })).await.unwrap_err();
        assert_eq!(fault.code, "output_too_large", "{library}: {fault:?}");
        let fault = acted(&harness, json!({ "do": "large", "bytes": 5_000_000 })).await.unwrap_err();
        assert!(!fault.retryable, "{library}: {fault:?}");
        acted(&harness, json!({ "do": "echo" })).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_steps_emitted_is_carried_along_where_that_is_wanted() {
    let sailors = LIBRARIES.iter().filter(|library| library.starts_with("sailor-2"));
    for library in sailors {
        let headers = json!({ "eio-passthrough": { "first": { "body": { "x": 1 } } }, "eio-step": "second", "eio-id": "m2" });
        let harness = harness(library).headers(headers.as_object().unwrap().clone());
        let outputs =
            harness.action("act", json!({ "_passthrough": true }), json!({ "do": "echo" })).await.unwrap();
        let carried = &outputs[0].headers["eio-passthrough"];
        assert_eq!(carried["first"]["body"]["x"], 1, "{library}");
        assert_eq!(carried["second"]["body"]["do"], "echo", "{library}");
        assert_eq!(outputs[0].headers["eio-step"], "step", "{library}");
        let off = harness.action("act", json!({}), json!({ "do": "echo" })).await.unwrap();
        assert_eq!(off[0].headers.get("eio-passthrough"), None, "{library}");
    }
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
async fn a_function_that_is_not_there_is_an_error_that_says_so() {
    of_each(async |library| {
        let fault = harness(library).action("broken", json!({}), json!({})).await.unwrap_err();
        assert!(fault.message.contains("missing"), "{library}: {fault:?}");
    })
    .await;
}
