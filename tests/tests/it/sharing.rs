//! Many flows on one deployment.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sluice_tests::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn flows_share_one_container_for_each_component_and_messages_flow_in_each() -> Result<()> {
    let world = World::start("sharing", &["timer", "log"]).await?;
    let flows = 20;
    for number in 0..flows {
        let text = format!(
            "sluice: 1\nkind: template\nname: tick-{number}\nversion: 1.0.0\nsteps:\n  - {{ id: tick, use: timer/tick, schedule: {{ every: 1s }} }}\n  - {{ id: note, use: log/write }}\n"
        );
        world.api.apply(&text, json!({})).await?;
    }
    for number in 0..flows {
        eventually(&format!("tick-{number} to tick twice"), Duration::from_secs(60), || async {
            let counters = world.api.counters(&format!("tick-{number}"), "note").await?;
            Ok((counters["succeeded"].as_u64() >= Some(2)).then_some(()))
        })
        .await?;
    }
    assert_eq!(world.containers().await?.len(), 2);
    world.stop().await
}
