//! Polling: each item once, also across a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sluice_tests::{HttpSink, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_polled_item_is_emitted_once_also_across_a_kill() -> Result<()> {
    let mut world = World::start("polling", &["http", "log"]).await?;
    let source = HttpSink::start().await?;
    let sink = HttpSink::start().await?;
    let polls = Arc::new(AtomicU64::new(0));
    let count = polls.clone();
    source.answer(move |_| {
        let newest = count.fetch_add(1, Ordering::Relaxed) + 3;
        let items: Vec<_> = (0..newest).map(|id| json!({ "id": id })).collect();
        (200, json!({ "items": items }))
    });
    let text = format!(
        r#"
sluice: 1
kind: template
name: poll
version: 1.0.0
steps:
  - id: poll
    use: http/poll
    schedule: {{ every: 1s }}
    config: {{ url: "{}/items", items: items, key: id }}
  - id: post
    use: http/request
    config: {{ method: POST, url: "{}/got" }}
"#,
        source.url(&world.host),
        sink.url(&world.host)
    );
    world.api.apply(&text, json!({})).await?;
    let grown = |least: usize| {
        let sink = &sink;
        move || async move { Ok((sink.count() >= least).then_some(())) }
    };
    eventually("5 items", Duration::from_secs(120), grown(5)).await?;
    world.kill_and_restart().await?;
    let now = sink.count();
    eventually("more items", Duration::from_secs(120), grown(now + 3)).await?;
    let mut times: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for received in sink.received() {
        let key = received.headers.get("idempotency-key").cloned().unwrap_or_default();
        times.entry(received.body["id"].as_u64().unwrap_or(u64::MAX)).or_default().push(key);
    }
    for (id, mut keys) in times {
        keys.dedup();
        assert_eq!(keys.len(), 1, "item {id} came under several ids");
    }
    world.stop().await
}
