//! What becomes of messages whose lane was gone.

use serde_json::json;
use sluice_ports::broker::Broker;
use sluice_protocol::gateway::Role;
use sluice_testkit::eventually;
use sluice_testkit::fakes::{
    CountingEntropy, ManualClock, MemoryBroker, MemoryOAuth, MemoryRuntime, MemoryStore, MemoryVault,
};

use super::*;
use crate::fixtures::flow;

/// A flow, and a message to its step `act` that found no lane.
struct Scene {
    broker: Arc<MemoryBroker>,
    store: Arc<MemoryStore>,
    ports: Ports,
    table: Arc<Table>,
    lane: topology::LaneName,
}

impl Scene {
    /// The lane that carries the message, since its step is quiet.
    fn common(&self) -> topology::LaneName {
        topology::LaneName::common(self.lane.deployment())
    }
}

async fn scene() -> Scene {
    let (broker, store) = (Arc::new(MemoryBroker::default()), Arc::new(MemoryStore::default()));
    let clock = Arc::new(ManualClock::default());
    let ports = Ports {
        broker: broker.clone(),
        users: None,
        watch: None,
        spans: None,
        runtime: Arc::new(MemoryRuntime::new(clock.clone())),
        store: store.clone(),
        oauth: Arc::new(MemoryOAuth::default()),
        vault: Arc::new(MemoryVault::default()),
        notifier: None,
        clock,
        entropy: Arc::new(CountingEntropy::default()),
    };
    let live = flow("  - { id: hear, use: demo/listen }\n  - { id: act, use: demo/act }\n", json!({}));
    let (id, step) = live.compiled.steps.iter().find(|(_, step)| step.role == Role::Action).unwrap();
    let (lane, key) = (step.lane.clone(), live.compiled.address(id).to_key());
    let table = Arc::new(Table::default());
    table.change(|snapshot| {
        snapshot.versions.insert((live.compiled.id, live.compiled.version), live.clone());
    });
    broker.declare_base().await.unwrap();
    let id = MessageId::from_bits(1);
    let record = json!({ "id": id, "step": key, "body": 7 }).to_string();
    broker.publish(publish(Target::Lane(lane.clone()), id, record.as_bytes())).await.unwrap();
    assert_eq!(broker.waiting(topology::UNROUTABLE).len(), 1);
    Scene { broker, store, ports, table, lane }
}

/// Reads what was lost until a queue holds something.
async fn read_until_there(scene: &Scene, queue: &str) {
    let stop = CancellationToken::new();
    let (ports, table) = (scene.ports.clone(), scene.table.clone());
    let reading = tokio::spawn(run_lost(topology::UNROUTABLE, ports, (table, Arc::default()), stop.clone()));
    eventually(&format!("{queue} holds the message"), || async {
        (scene.broker.waiting(queue).len() == 1).then_some(())
    })
    .await;
    stop.cancel();
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_its_lane_though_the_broker_does_not_confirm_it_at_first() {
    let scene = scene().await;
    scene.broker.fail_publishes(3, false);
    read_until_there(&scene, scene.common().as_str()).await;
    assert_eq!(scene.store.letters(), [], "an unknown publish is no reason to give a message up");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lane_is_full_meanwhile_waits_for_its_turn() {
    let scene = scene().await;
    scene.broker.declare_lane(&scene.common()).await.unwrap();
    scene.broker.set_max_length(scene.common().as_str(), Some(0));
    read_until_there(&scene, &topology::retry_queue(Tier::S1)).await;
    assert_eq!(scene.store.letters(), []);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_was_faster_than_the_queue_of_its_shard_goes_there() {
    let scene = scene().await;
    let shard = topology::router_queue(3);
    assert!(scene.broker.delete_empty(&shard));
    let id = MessageId::from_bits(2);
    let record = json!({ "input": id, "step": "flow_1/1/hear", "status": "partial" }).to_string();
    let message = Publish { kind: batch::OUTCOMES, ..publish(Target::Router(3), id, record.as_bytes()) };
    scene.broker.publish(message).await.unwrap();
    assert_eq!(scene.broker.waiting(topology::UNROUTABLE).len(), 2);
    scene.broker.declare_base().await.unwrap();
    read_until_there(&scene, &shard).await;
    assert_eq!(scene.store.letters(), []);
}
