//! Flows whose messages the broker lost.

use std::time::Duration;

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

/// Asks until it is so, for a while. The reconciler looks every few seconds.
async fn until(server: &Server, is_so: impl AsyncFn(&Server) -> bool) -> bool {
    let asking = async {
        while !is_so(server).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.is_ok()
}
