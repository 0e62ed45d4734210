//! The runtime against a real broker: a component process, a gateway of a few lines, and a test in the router's place.
//!
//! Needs `SLUICE_TEST_AMQP_URL` and `SLUICE_TEST_MANAGEMENT_URL`; every test makes a virtual host of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "broker/gateway.rs"]
mod gateway;
#[path = "broker/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_sdk::protocol::gateway::Role;
use sluice_sdk::protocol::{Outcome, Status};
use world::{INVOCATIONS, LANE, SUSPECTS, World};

fn codes(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes.iter().map(|one| one.error.as_ref().map_or("", |error| error.code.as_str())).collect()
}

fn distinct(outcomes: &[Outcome]) -> usize {
    outcomes.iter().map(|one| one.input).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_batch_is_run_confirmed_and_acknowledged() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 8, 5000)]);
    let mut component = world.start_component();
    world.send(LANE, "flow_1/1/act", (0..50).map(|n| json!({ "n": n })).collect()).await;
    let outcomes = world.outcomes(50).await;
    assert!(outcomes.iter().all(|one| one.status == Status::Ok), "{:?}", codes(&outcomes));
    assert_eq!(distinct(&outcomes), 50);
    assert_eq!(outcomes[0].context.as_ref().map(|context| context.get()), Some(r#"{"kept": 1}"#));
    assert_eq!(component.terminate().await, Some(0));
    assert_eq!(world.waiting(LANE).await, 0);
}

#[tokio::test]
async fn an_invocation_needs_no_assignment_and_is_dropped_when_it_is_late() {
    let world = World::new().await;
    world.invoke("act", &json!({ "late": true }), 1).await;
    world.invoke("act", &json!({ "n": 1 }), i64::MAX).await;
    world.invoke("nothing", &json!({ "n": 2 }), i64::MAX).await;
    let mut component = world.start_component();
    let mut outcomes = world.outcomes(2).await;
    outcomes.sort_by_key(|one| one.input);
    assert_eq!(outcomes[0].outputs[0].body.get(), r#"{"n":1}"#);
    assert_eq!(codes(&outcomes), ["", "unknown_function"]);
    assert_eq!(component.terminate().await, Some(0));
    assert_eq!(world.waiting(INVOCATIONS).await, 0);
}

#[tokio::test]
async fn one_at_a_time_keeps_the_order() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 1, 5000)]);
    let _component = world.start_component();
    for part in 0..4 {
        world.send(LANE, "flow_1/1/act", (0..25).map(|n| json!({ "n": part * 25 + n })).collect()).await;
    }
    let bodies: Vec<Value> = world
        .outcomes(100)
        .await
        .iter()
        .map(|one| serde_json::from_str(one.outputs[0].body.get()).unwrap())
        .collect();
    assert_eq!(bodies, (0..100).map(|n| json!({ "n": n })).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_another_consumer_died_of_is_bounced_unrun() {
    let world = World::new().await;
    world.send(LANE, "flow_1/1/act", vec![json!({ "do": "abort" }), json!({ "n": 1 })]).await;
    world.take_and_lose(LANE).await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 8, 5000)]);
    let mut component = world.start_component();
    let outcomes = world.outcomes(2).await;
    assert!(outcomes.iter().all(|one| one.status == Status::Suspect));
    let retained = outcomes[0].retained.as_ref().map(|retained| retained.body.get());
    assert_eq!(retained, Some(r#"{"do":"abort"}"#));
    assert_eq!(component.terminate().await, Some(0));
    assert_eq!(world.waiting(LANE).await, 0);
}

#[tokio::test]
async fn a_suspect_that_was_sent_again_is_run() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 8, 5000)]);
    let _component = world.start_component();
    world.send(SUSPECTS, "flow_1/1/act", vec![json!({ "n": 1 })]).await;
    assert_eq!(world.outcomes(1).await[0].status, Status::Ok);
}

#[tokio::test]
async fn a_panic_and_a_bad_step_are_errors_of_their_records_alone() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 8, 5000)]);
    let _component = world.start_component();
    world.send(LANE, "flow_1/1/act", vec![json!({ "do": "panic" }), json!({ "n": 1 })]).await;
    world.send(LANE, "flow_1/1/gone", vec![json!(1)]).await;
    let outcomes = world.outcomes(3).await;
    let errors: BTreeSet<&str> = codes(&outcomes).into_iter().collect();
    assert_eq!(errors, BTreeSet::from(["", "panic", "unknown_step"]));
    for failed in outcomes.iter().filter(|one| one.status == Status::Error) {
        assert!(failed.retained.is_some() && !failed.error.as_ref().unwrap().retryable);
    }
}

#[tokio::test]
async fn a_function_that_never_yields_ends_the_process_with_75() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 4, 1500)]);
    let mut component = world.start_component();
    world.send(LANE, "flow_1/1/act", vec![json!({ "do": "hang" }), json!({ "do": "slow", "ms": 500 })]).await;
    let outcomes = world.outcomes(2).await;
    assert_eq!(codes(&outcomes), ["", "timeout"]);
    assert!(outcomes[1].error.as_ref().unwrap().retryable);
    assert_eq!(component.exit_code(Duration::from_secs(15)).await, Some(75));
    assert_eq!(world.waiting(LANE).await, 0);
}

#[tokio::test]
async fn a_slow_function_is_cancelled_and_the_process_lives_on() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 1, 300)]);
    let _component = world.start_component();
    world.send(LANE, "flow_1/1/act", vec![json!({ "do": "slow", "ms": 60000 }), json!({ "n": 1 })]).await;
    assert_eq!(codes(&world.outcomes(2).await), ["timeout", ""]);
}

#[tokio::test]
async fn a_drain_finishes_what_began_and_gives_back_the_rest() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 1, 5000)]);
    let mut component = world.start_component();
    let slow = |n| json!({ "do": "slow", "ms": 400, "n": n });
    for part in 0..4 {
        world.send(LANE, "flow_1/1/act", (0..5).map(|n| slow(part * 5 + n)).collect()).await;
    }
    let mut outcomes = world.outcomes(1).await;
    assert_eq!(component.terminate().await, Some(0));
    // Nothing is lost: each input was answered, or is in its lane as it was.
    let answered_later = world.rest().await;
    outcomes.extend(answered_later);
    assert!(outcomes.iter().any(|one| one.status == Status::Rebound && one.retained.is_some()));
    let waiting = world.waiting(LANE).await as usize * 5;
    assert_eq!((distinct(&outcomes) + waiting, outcomes.len() + waiting), (20, 20));
}

#[tokio::test]
async fn lost_connections_do_not_make_anything_run_twice() {
    let world = World::new().await;
    world.assign(&[world::action("flow_1/1/act", json!({}), 10, 30000)]);
    let mut component = world.start_component();
    world
        .send(LANE, "flow_1/1/act", (0..10).map(|n| json!({ "do": "slow", "ms": 4000, "n": n })).collect())
        .await;
    world.send(LANE, "flow_1/1/act", vec![json!({ "n": 10 })]).await;
    assert_eq!(world.outcomes(0).await.len(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.close_connections().await;
    let outcomes = world.outcomes(11).await;
    assert!(outcomes.iter().all(|one| one.status == Status::Ok), "{:?}", codes(&outcomes));
    assert_eq!(distinct(&outcomes), 11);
    assert_eq!(component.terminate().await, Some(0));
    assert_eq!((world.rest().await.len(), world.waiting(LANE).await), (0, 0));
}

#[tokio::test]
async fn a_listener_streams_until_it_is_paused() {
    let world = World::new().await;
    let listener =
        world::assignment("flow_1/1/src", "stream", Role::Listener, json!({ "count": 500, "bytes": 100 }));
    world.assign(std::slice::from_ref(&listener));
    let mut component = world.start_component();
    let outcomes = world.outcomes(500).await;
    assert_eq!(distinct(&outcomes), 500);
    let mut paused = listener.clone();
    paused.paused = true;
    world.assign(&[paused]);
    // Another version of the flow sends the same source messages: they keep their ids.
    let mut next = listener;
    next.step = "flow_1/2/src".parse().unwrap();
    world.assign(&[next]);
    let again = world.outcomes(500).await;
    assert_eq!(distinct(&[outcomes, again].concat()), 500);
    assert_eq!(component.terminate().await, Some(0));
}

#[tokio::test]
async fn a_poll_carries_its_cursor_and_streams_its_outputs() {
    let world = World::new().await;
    let mut polling = world::assignment("flow_1/1/poll", "emit", Role::Polling, json!({ "count": 1200 }));
    polling.queue = Some(LANE.to_owned());
    world.assign(&[polling, world::action("flow_1/1/act", json!({}), 1, 20000)]);
    let _component = world.start_component();
    world.send(LANE, "flow_1/1/poll", vec![json!({})]).await;
    let outcomes = world.outcomes(2).await;
    let told: Vec<_> = outcomes.iter().map(|one| (one.status, one.offset, one.state.clone())).collect();
    assert_eq!(told, [(Status::Partial, 0, None), (Status::Ok, 1000, Some(json!(1200)))]);
    world.send(LANE, "flow_1/1/act", vec![json!({ "do": "flood", "count": 50, "stream": true })]).await;
    let outcomes = world.outcomes(51).await;
    assert_eq!((outcomes[50].status, outcomes[50].offset), (Status::Ok, 50));
}

#[tokio::test]
async fn an_unknown_token_ends_the_process_with_77() {
    let world = World::new().await;
    world.refuse_tokens();
    let mut component = world.start_component();
    assert_eq!(component.exit_code(Duration::from_secs(10)).await, Some(77));
}
