//! Processes: how they begin, end and are given up.

use serde_json::json;

use super::acted;
use super::probe::{harness, of_each};

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
async fn a_function_that_is_not_there_is_an_error_that_says_so() {
    of_each(async |library| {
        let fault = harness(library).action("broken", json!({}), json!({})).await.unwrap_err();
        assert!(fault.message.contains("missing"), "{library}: {fault:?}");
    })
    .await;
}
