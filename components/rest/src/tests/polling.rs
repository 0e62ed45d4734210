//! Triggers: each record once, changed ones again, through failures and restarts.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Asked, Reply, Server, ok, status};
use super::{bodies, harness, trigger};

/// Records as `(id, changed at)`, served in pages of three, filtered by `since`, optionally sorted.
#[derive(Clone, Default)]
struct Api(Arc<Mutex<Vec<(u64, u64)>>>);

impl Api {
    fn set(&self, records: impl IntoIterator<Item = (u64, u64)>) {
        *self.0.lock().unwrap() = records.into_iter().collect();
    }

    fn page(&self, asked: &Asked) -> Reply {
        let since = asked.param("since").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let page = asked.param("page").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
        let records = self.0.lock().unwrap();
        let found = records.iter().filter(|(_, at)| *at >= since).skip((page - 1) * 3).take(3);
        ok(found.map(|(id, at)| json!({ "id": id, "at": at })).collect())
    }
}

/// Polls again and again with the state of the poll before.
struct Poller {
    config: Value,
    state: Option<Value>,
}

impl Poller {
    /// What was emitted, as `(id, at)`; an error's code where it failed.
    async fn poll(&mut self) -> Result<Vec<(u64, u64)>, String> {
        // A component of its own each time: as after a restart.
        let polled = harness().poll("poll", self.config.clone(), self.state.clone()).await;
        let polled = polled.map_err(|error| error.code)?;
        self.state = polled.state;
        let pair = |item: &Value| (item["id"].as_u64().unwrap(), item["at"].as_u64().unwrap_or(0));
        Ok(bodies(&polled.outputs).iter().map(pair).collect())
    }
}

async fn set_up(extra: Value) -> (Api, Server, Poller) {
    let api = Api::default();
    let served = api.clone();
    let server = Server::start(move |asked| served.page(asked)).await;
    let config = super::over(
        trigger(
            &server,
            json!({ "key": "= item.id", "pagination": { "type": "page", "param": "page", "size": 3 } }),
        ),
        json!({ "kind": { "trigger": extra } }),
    );
    (api, server, Poller { config, state: None })
}

fn incremental(overlap: u64) -> Value {
    json!({
        "request": { "query": { "since": "= cursor" } },
        "incremental": { "value": "$.item.at", "format": "unix", "overlap_seconds": overlap }
    })
}

#[tokio::test]
async fn created_and_changed_records_come_once() {
    let (api, server, mut poller) = set_up(incremental(10)).await;
    api.set([(1, 100), (2, 105), (3, 95), (4, 110), (5, 110)]);
    assert_eq!(poller.poll().await.unwrap(), [(1, 100), (2, 105), (3, 95), (4, 110), (5, 110)]);
    assert_eq!(poller.poll().await.unwrap(), []);
    assert_eq!(server.last().param("since").unwrap(), "100");
    // One was changed, one is new with the same time, one came late.
    api.set([(1, 100), (2, 120), (3, 95), (4, 110), (5, 110), (6, 110), (7, 101)]);
    assert_eq!(poller.poll().await.unwrap(), [(2, 120), (6, 110), (7, 101)]);
    assert_eq!(poller.poll().await.unwrap(), []);
    let state = poller.state.clone().unwrap();
    assert_eq!(state["cursor"], 120);
    // Of the seven only those at 110 and later are within the overlap.
    assert_eq!(state["seen"].as_array().unwrap().len(), 4, "{state}");
}

#[tokio::test]
async fn without_incremental_a_record_comes_again_when_it_had_left() {
    let (api, _server, mut poller) = set_up(json!({})).await;
    api.set([(1, 0), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(poller.poll().await.unwrap().len(), 4);
    api.set([(1, 9), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(poller.poll().await.unwrap(), [(5, 0)]);
    api.set([(1, 0), (2, 0)]);
    assert_eq!(poller.poll().await.unwrap(), [(2, 0)]);
}

#[tokio::test]
async fn a_poll_that_breaks_off_neither_repeats_nor_skips() {
    for extra in [incremental(0), json!({})] {
        let (api, server, mut poller) = set_up(extra).await;
        api.set((1..=8).map(|id| (id, 200 - id)));
        let served = api.clone();
        server.answer(move |asked| match asked.param("page").as_deref() {
            Some("3") => status(503, json!({})),
            _ => served.page(asked),
        });
        assert_eq!(poller.poll().await.unwrap().len(), 6);
        // The next one meets the same trouble with nothing to show, and says so.
        assert_eq!(poller.poll().await.unwrap_err(), "http_503");
        let served = api.clone();
        server.answer(move |asked| served.page(asked));
        assert_eq!(poller.poll().await.unwrap(), [(7, 193), (8, 192)]);
        assert_eq!(poller.poll().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_poll_with_a_limit_goes_on_where_it_stopped() {
    let limit = json!({ "pagination": { "max_items": 4 } });
    for order in [1, 3] {
        let (api, _server, mut poller) = set_up(super::over(incremental(0), limit.clone())).await;
        // In order, and out of it.
        api.set((0..10).map(|n| (n, 100 + (n * order) % 10)));
        let mut got = Vec::new();
        for expect in [4, 4, 2, 0] {
            let polled = poller.poll().await.unwrap();
            assert_eq!(polled.len(), expect, "{order} {got:?}");
            got.extend(polled);
        }
        got.sort_unstable();
        assert_eq!(got.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn beginning_now_emits_only_what_comes_later() {
    let (api, server, mut poller) =
        set_up(super::over(incremental(60), json!({ "incremental": { "initial": "now" } }))).await;
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    api.set([(1, now - 500), (2, now - 30), (3, now)]);
    assert_eq!(poller.poll().await.unwrap(), []);
    let since: u64 = server.last().param("since").unwrap().parse().unwrap();
    assert!(since.abs_diff(now - 60) < 30);
    api.set([(1, now - 500), (2, now - 30), (3, now), (4, now - 20), (5, now + 5)]);
    assert_eq!(poller.poll().await.unwrap(), [(4, now - 20), (5, now + 5)]);
}

#[tokio::test]
async fn items_that_cannot_be_told_apart_or_are_no_list_are_errors() {
    let (_api, server, mut poller) = set_up(incremental(0)).await;
    server.answer(|_| ok(json!([{ "id": 1 }])));
    assert_eq!(poller.poll().await.unwrap_err(), "no_value");
    server.answer(|_| ok(json!({ "id": 1 })));
    assert_eq!(poller.poll().await.unwrap_err(), "no_list");
}

#[tokio::test]
async fn the_cursor_is_spelt_as_the_items_spell_it() {
    let server = Server::always(ok(json!([{ "id": 1, "at": "2026-11-06T10:00:05.500+01:00" }]))).await;
    let extra = json!({
        "request": { "query": { "since": "= cursor" } },
        "incremental": { "value": "= item.at", "overlap_seconds": 10 }
    });
    let mut poller = Poller { config: trigger(&server, extra), state: None };
    assert_eq!(poller.poll().await.unwrap().len(), 1);
    assert_eq!(server.last().param("since"), None);
    assert_eq!(poller.poll().await.unwrap(), []);
    assert_eq!(server.last().param("since").unwrap(), "2026-11-06T09:59:55.500+01:00");
}

#[tokio::test]
async fn ten_thousand_records_come_once_and_leave_a_small_state() {
    let served = |asked: &Asked| {
        let since = asked.param("since").map_or(0, |text| text.parse::<u64>().unwrap());
        let page = asked.param("page").unwrap().parse::<u64>().unwrap();
        let from = since.max(1) + (page - 1) * 1000;
        ok((from..=10_000.min(from + 999)).map(|n| json!({ "id": n, "at": n })).collect())
    };
    let server = Server::start(served).await;
    let extra = json!({
        "request": { "query": { "since": "= cursor" } },
        "incremental": { "value": "$.item.at", "format": "number" },
        "pagination": { "type": "page", "param": "page", "size": 1000 }
    });
    let mut poller = Poller { config: trigger(&server, extra), state: None };
    assert_eq!(poller.poll().await.unwrap().len(), 10_000);
    assert_eq!(poller.poll().await.unwrap(), []);
    assert!(poller.state.unwrap().to_string().len() < 100);
}
