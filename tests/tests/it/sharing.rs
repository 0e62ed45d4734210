//! Many flows on one deployment.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::workload::ticking;
use sluice_tests::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn flows_share_one_container_for_each_component_and_messages_flow_in_each() -> Result<()> {
    let world = World::start("sharing", &["timer", "log"]).await?;
    let flows = 20;
    for number in 0..flows {
        world.api.apply(&ticking(&format!("tick-{number}"), "1s"), json!({})).await?;
    }
    for number in 0..flows {
        eventually(&format!("tick-{number} to tick twice"), Duration::from_secs(120), || async {
            let counters = world.api.counters(&format!("tick-{number}"), "note").await?;
            Ok((counters["succeeded"].as_u64() >= Some(2)).then_some(()))
        })
        .await?;
    }
    assert_eq!(world.containers().await?.len(), 2);
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_shares_its_containers_can_be_deleted() -> Result<()> {
    let world = World::start("shared", &["timer", "log"]).await?;
    for name in ["stays", "goes"] {
        world.api.apply(&ticking(name, "1s"), json!({})).await?;
        world.running(name).await?;
    }
    world.api.call("DELETE", "/api/v1/flows/goes", None).await?;
    eventually("the flow to be gone", Duration::from_secs(120), || async {
        let (status, _) = world.api.raw("GET", "/api/v1/flows/goes", None).await?;
        Ok((status == 404).then_some(()))
    })
    .await?;
    // The common lane and the queues of suspects and invocations of each of the two deployments, and what the flow that
    // stays may have by itself where it is slow.
    eventually("nothing but the queues of what stays", Duration::from_secs(120), || async {
        let lanes = world.broker.queues().await?.into_iter().filter(|name| name.starts_with("v1.q."));
        let shared = [".common", ".suspects", ".invocations"];
        let (shared, own): (Vec<String>, Vec<String>) =
            lanes.partition(|name| shared.iter().any(|end| name.ends_with(end)));
        ensure!(shared.len() == 6 && own.len() <= 1, "{shared:?} {own:?}");
        Ok(Some(()))
    })
    .await?;
    world.stop().await
}
