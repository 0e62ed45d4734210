//! Events: listed, followed, and told to another program.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Server;

async fn events(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.call("GET", &format!("/api/v1/events{query}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().as_array().unwrap().clone()
}

/// Looks again until `done`, for as long as a slow machine may need.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test]
async fn events_are_listed_after_a_number() {
    let server = Server::start().await;
    server.install("sluice/demo:1.0.0").await;
    server.install("sluice/rest:1.0.0").await;
    let all = events(&server, "").await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(
        (&all[0]["type"], &all[0]["data"]),
        (&json!("connector.version_changed"), &json!({ "connector": "demo", "version": "1.0.0" }))
    );
    let first = all[0]["id"].as_u64().unwrap();
    assert_eq!(events(&server, &format!("?after={first}")).await, all[1..]);
    assert_eq!(events(&server, "?limit=1").await, all[..1]);
    assert_eq!(events(&server, "?after=999").await.len(), 0);
    for bad in ["?limit=0", "?limit=1001", "?after=-1", "?after=x", "?before=1"] {
        let answer = server.call("GET", &format!("/api/v1/events{bad}"), None).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
    }
    let bad = server.call_with("GET", "/api/v1/events/stream", None, &[("last-event-id", "x")]).await;
    assert_eq!(bad.status, 400, "{}", bad.text);
}

#[tokio::test]
async fn a_follower_gets_what_it_missed_and_what_comes() {
    use futures_util::StreamExt;
    let server = Server::start().await;
    server.install("sluice/demo:1.0.0").await;
    let mut all = Box::pin(server.engine.follow_events(Some(0)).await.unwrap());
    let mut new = Box::pin(server.engine.follow_events(None).await.unwrap());
    let first = all.next().await.unwrap();
    server.install("sluice/rest:1.0.0").await;
    let second = all.next().await.unwrap();
    assert!(second.id > first.id);
    assert_eq!(new.next().await.unwrap(), second);
}

#[tokio::test]
async fn the_other_program_is_told_of_each_event_until_it_takes_it() {
    let server = Server::start().await;
    // It hears of what happens after it is known; this is what the loop notes first.
    until("the first look", async || {
        use sluice_ports::store::EventStore;
        server.store.told("webhook").await.unwrap().is_some()
    })
    .await;
    server.notifier.refuse(1);
    server.install("sluice/demo:1.0.0").await;
    server.install("sluice/rest:1.0.0").await;
    until("both notices", async || server.notifier.sent().len() == 2).await;
    let sent = server.notifier.sent();
    let bodies: Vec<Value> = sent.iter().map(|notice| serde_json::from_str(&notice.body).unwrap()).collect();
    assert_eq!(
        (&bodies[0]["type"], &bodies[0]["data"]["connector"], &bodies[1]["data"]["connector"]),
        (&json!("connector.version_changed"), &json!("demo"), &json!("rest"))
    );
    assert_ne!(sent[0].id, sent[1].id);
}
