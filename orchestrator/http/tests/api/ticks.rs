//! Ticks of polling triggers that the broker does not confirm.

use std::time::Duration;

use super::harness::{Server, apply};

const FLOW: &str = "sluice: 1\nkind: template\nname: ticking\nversion: 1.0.0\nsteps:\n  \
                    - { id: poll, use: rest/poll, schedule: { every: 1h } }\n  - { id: act, use: demo/act }\n";

/// The trigger's lane, once it is there.
fn lane(server: &Server) -> Option<String> {
    let is_lane = |name: &String| {
        name.starts_with("v1.q.") && !name.ends_with(".suspects") && !name.ends_with(".invocations")
    };
    // The lane of the other step stays empty, since nothing comes of the tick here.
    let lanes = server.broker.queues().into_iter().filter(is_lane);
    lanes.into_iter().find(|lane| !server.broker.waiting(lane).is_empty())
}

#[tokio::test]
async fn a_tick_that_was_lost_on_its_way_is_sent_again() {
    let server = Server::start().await;
    server.install("sluice/demo:1.0.0").await;
    server.install("sluice/rest:1.0.0").await;
    // The first one, which is sent as soon as the flow runs, and what somebody sends meanwhile.
    server.broker.fail_publishes(2, false);
    let applied = server.call("POST", "/api/v1/apply", Some(&apply(FLOW))).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let arrived = async {
        loop {
            let answer = server.call("POST", "/api/v1/flows/ticking/trigger", None).await;
            assert!([202, 409, 503].contains(&answer.status), "{}", answer.text);
            if let Some(lane) = lane(&server) {
                break lane;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Without a second sending it would be skipped for ten minutes and more, as one that is under way.
    let lane = tokio::time::timeout(Duration::from_secs(20), arrived).await.expect("no tick arrived");
    let ids: Vec<String> = server.broker.waiting(&lane).into_iter().map(|stored| stored.message_id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "the same tick under several ids: {ids:?}");
}
