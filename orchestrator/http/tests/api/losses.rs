//! Flows whose messages the broker lost, and containers that vanished.

use std::time::Duration;

use sluice_ports::broker::BrokerUsers;
use sluice_ports::runtime::Runtime;
use sluice_ports::store::ContainerStore;

use super::harness::Server;

#[tokio::test]
async fn a_flow_whose_messages_are_lost_can_be_deleted_in_the_end() {
    let server = Server::start().await;
    server.deploy().await;
    let trigger = "/api/v1/flows/demo/trigger";
    assert_eq!(server.call("POST", trigger, Some(r#"{"body":{"a":1}}"#)).await.status, 202);
    let lost = until(&server, async |server: &Server| {
        let lanes = server.broker.queues().into_iter().filter(|name| name.starts_with("v1.q."));
        lanes.into_iter().map(|lane| server.broker.take(&lane).len()).sum::<usize>() > 0
    });
    assert!(lost.await, "no message came to its lane");
    assert_eq!(server.call("DELETE", "/api/v1/flows/demo", None).await.status, 202);
    // Longer than any of its retries and runs together.
    server.clock.advance(Duration::from_secs(24 * 3600));
    let gone =
        until(&server, async |server| server.call("GET", "/api/v1/flows/demo", None).await.status == 404);
    assert!(gone.await, "the flow is still there");
}

#[tokio::test]
async fn a_container_that_vanished_can_speak_to_nobody_any_more() {
    let server = Server::start().await;
    server.deploy().await;
    assert!(until(&server, async |server| !server.runtime.list().await.unwrap().is_empty()).await);
    let vanished = server.runtime.list().await.unwrap().remove(0);
    server.users.grant(vanished.start, vanished.deployment, &"password".into()).await.unwrap();
    server.runtime.remove(&vanished.name).await.unwrap();
    let released = until(&server, async |server| {
        let known = server.store.starts().await.unwrap().iter().any(|start| start.id == vanished.start);
        !known && server.users.user(vanished.start).is_none()
    });
    assert!(released.await, "its token or its broker user is still there");
    let another = until(&server, async |server| {
        let there = server.runtime.list().await.unwrap();
        there.iter().any(|other| other.deployment == vanished.deployment && other.start != vanished.start)
    });
    assert!(another.await, "no other took its place");
}

/// Asks until it is so, for a while. The reconciler looks every few seconds.
async fn until(server: &Server, is_so: impl AsyncFn(&Server) -> bool) -> bool {
    let asking = async {
        while !is_so(server).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), asking).await.is_ok()
}
