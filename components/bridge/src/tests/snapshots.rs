//! What steps remember.

use serde_json::json;

use super::acted;
use super::probe::{harness, of_each};

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
async fn an_action_remembers_over_the_end_of_its_process() {
    of_each(async |library| {
        let harness = harness(library);
        for what in [json!({ "a": 1 }), json!({ "b": 2 })] {
            acted(&harness, json!({ "do": "remember", "what": what })).await.unwrap();
        }
        acted(&harness, json!({ "do": "exit", "code": 0 })).await.unwrap_err();
        let out = acted(&harness, json!({ "do": "echo" })).await.unwrap();
        // One library merges what is new into what it has, the other replaces it.
        let merges = library.starts_with("sailor");
        let expected = if merges { json!({ "a": 1, "b": 2 }) } else { json!({ "b": 2 }) };
        assert_eq!(out[0]["snapshot"], expected, "{library}");
        acted(&harness, json!({ "do": "remember", "event": "snapshot", "what": { "c": 3 } })).await.unwrap();
        acted(&harness, json!({ "do": "exit", "code": 0 })).await.unwrap_err();
        let out = acted(&harness, json!({ "do": "echo" })).await.unwrap();
        assert_eq!(out[0]["snapshot"], json!({ "c": 3 }), "{library}: a whole snapshot replaces");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_action_remembers_is_kept_for_the_next_container() {
    of_each(async |library| {
        let harness = harness(library).state(json!({ "before": true }));
        let out = acted(&harness, json!({ "do": "echo" })).await.unwrap();
        assert_eq!(out[0]["snapshot"], json!({ "before": true }), "{library}");
        acted(&harness, json!({ "do": "remember", "event": "snapshot", "what": { "a": 1 } })).await.unwrap();
        assert_eq!(harness.kept(), Some(json!({ "a": 1 })), "{library}");
        // Another container.
        let next = super::probe::harness(library).state(json!({ "a": 1 }));
        let out = acted(&next, json!({ "do": "echo" })).await.unwrap();
        assert_eq!(out[0]["snapshot"], json!({ "a": 1 }), "{library}");
        assert_eq!(next.kept(), Some(json!({ "a": 1 })), "{library}: nothing changed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_keeps_nothing_but_its_cursor() {
    let harness = harness("sailor-2.7.8");
    harness.poll("count", json!({}), None).await.unwrap();
    assert_eq!(harness.kept(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_in_a_change_of_a_snapshot_change_nothing() {
    of_each(async |library| {
        let harness = harness(library);
        acted(&harness, json!({ "do": "remember", "what": { "a": 1 } })).await.unwrap();
        acted(&harness, json!({ "do": "remember", "what": { "$set": { "a": 2 } } })).await.unwrap();
        acted(&harness, json!({ "do": "exit", "code": 0 })).await.unwrap_err();
        let out = acted(&harness, json!({ "do": "echo" })).await.unwrap();
        assert_eq!(out[0]["snapshot"], json!({ "a": 1 }), "{library}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_emits_does_not_become_what_it_remembers() {
    let harness = harness("ferryman-2.4.7");
    let config = json!({ "nodeSettings": { "autoSaveSnapshots": true } });
    let run = async |input| harness.action("act", config.clone(), input).await.unwrap();
    run(json!({ "do": "remember", "what": { "mine": 1 } })).await;
    run(json!({ "do": "pid", "of": 5 })).await;
    let out = run(json!({ "do": "echo" })).await;
    assert_eq!(super::body(&out[0])["snapshot"], json!({ "mine": 1 }));
}
