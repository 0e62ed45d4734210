//! Retention of history.

use std::time::Duration;

use sluice_domain::{FlowId, RunStatus, StepRun};
use sluice_ports::store::{ExecutionFilter, Retention};

use super::StoreHarness;
use super::history::record;
use crate::contract::ok;
use crate::fixtures::{at, run};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn suite(harness: &dyn StoreHarness) {
    what_is_too_old_goes(harness).await;
    what_is_too_much_goes_per_flow(harness).await;
    much_history_goes_in_one_call(harness).await;
}

async fn what_is_too_old_goes(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    // The first began long ago, but something happened in it since.
    let again = StepRun { at: at(4000), ..run(2, 1, RunStatus::Queued) };
    record(&store, &[run(1, 1, RunStatus::Succeeded), again, run(3, 2, RunStatus::Queued)]).await;
    let retention = Retention { age: HOUR, count: 100 };
    assert_eq!(ok(store.prune(retention, at(3600)).await), 0, "an hour is not longer than an hour");
    assert_eq!(ok(store.prune(retention, at(3601)).await), 1);
    assert!(ok(store.execution(run(3, 2, RunStatus::Queued).execution).await).is_none());
    assert!(ok(store.step_run(run(3, 2, RunStatus::Queued).id).await).is_none(), "its step runs go with it");
    assert!(ok(store.step_run(run(1, 1, RunStatus::Queued).id).await).is_some());
    assert!(ok(store.open_versions().await).len() == 1);
}

async fn what_is_too_much_goes_per_flow(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let mut runs = Vec::new();
    for number in 1..=10_u128 {
        let flow = FlowId::from_bits(if number <= 7 { 1 } else { 2 });
        let seconds = i64::try_from(number).expect("small");
        runs.push(StepRun { flow, at: at(seconds), ..run(number, number, RunStatus::Succeeded) });
    }
    record(&store, &runs).await;
    assert_eq!(ok(store.prune(Retention { age: HOUR, count: 3 }, at(60)).await), 4);
    let filter = ExecutionFilter { limit: 100, ..ExecutionFilter::default() };
    let left: Vec<_> = ok(store.executions(&filter).await).iter().map(|e| e.id.bits()).collect();
    assert_eq!(left, [10, 9, 8, 7, 6, 5]);
    assert_eq!(ok(store.prune(Retention { age: HOUR, count: 3 }, at(60)).await), 0);
}

async fn much_history_goes_in_one_call(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let runs: Vec<_> = (1..=2500).map(|number| run(number, number, RunStatus::Succeeded)).collect();
    record(&store, &runs).await;
    assert_eq!(ok(store.prune(Retention { age: HOUR, count: 10 }, at(0)).await), 2490);
    assert_eq!(ok(store.prune(Retention { age: HOUR, count: 10 }, at(4000)).await), 10);
}
