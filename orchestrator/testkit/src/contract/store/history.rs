//! Step runs, executions and counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_domain::{ExecutionStatus, FlowId, FlowVersion, RecordedBody, RunStatus, StepCounters, StepRun};
use sluice_ports::store::{CounterDelta, ExecutionFilter, HistoryBatch, Store};
use sluice_protocol::{ErrorInfo, ExecutionId};

use super::StoreHarness;
use crate::contract::ok;
use crate::fixtures::{at, run, step};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    a_step_run_makes_its_execution(harness).await;
    absent_fields_keep_their_values(harness).await;
    the_later_attempt_and_the_final_status_win_in_any_order(harness).await;
    an_execution_stands_as_its_step_runs_do(harness).await;
    executions_are_paged_newest_first(harness).await;
    an_execution_may_repeat_another(harness).await;
    counters_add_up(harness).await;
    versions_with_open_step_runs_are_told(harness).await;
}

pub(super) async fn record(store: &Arc<dyn Store>, runs: &[StepRun]) {
    ok(store.record(&HistoryBatch { runs: runs.to_vec(), ..HistoryBatch::default() }).await);
}

async fn a_step_run_makes_its_execution(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let first = run(2, 1, RunStatus::Succeeded);
    let second = StepRun { at: at(5), ..run(1, 1, RunStatus::Queued) };
    record(&store, &[first.clone(), second.clone()]).await;
    let (execution, runs) = ok(store.execution(first.execution).await).expect("the execution was made");
    assert_eq!((execution.flow, execution.version, execution.runs), (first.flow, first.version, 2));
    assert_eq!((execution.started_at, execution.updated_at), (at(0), at(5)));
    assert_eq!(execution.status, ExecutionStatus::Running);
    assert_eq!(runs, [first, second.clone()], "step runs come in the order in which they were noted");
    assert_eq!(ok(store.step_run(second.id).await), Some(second));
    assert!(ok(store.execution(ExecutionId::from_bits(9)).await).is_none());
    record(&store, &[]).await;
}

async fn absent_fields_keep_their_values(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let body = |text: &str| Some(RecordedBody { text: text.to_owned(), bytes: 100 });
    let queued =
        StepRun { input: body("in"), context: Some("ctx".to_owned()), ..run(1, 1, RunStatus::Queued) };
    let error = Some(ErrorInfo::new("http_503", "away", true));
    let retrying = StepRun { error: error.clone(), micros: 7, at: at(1), ..run(1, 1, RunStatus::Retrying) };
    let done = StepRun { output: body("[]"), attempt: 2, at: at(2), ..run(1, 1, RunStatus::Succeeded) };
    record(&store, std::slice::from_ref(&queued)).await;
    record(&store, &[retrying, done.clone()]).await;
    let expect = StepRun { input: queued.input, context: queued.context, error, micros: 7, ..done };
    assert_eq!(ok(store.step_run(expect.id).await), Some(expect));
}

async fn the_later_attempt_and_the_final_status_win_in_any_order(harness: &dyn StoreHarness) {
    use RunStatus::{Dead, Handled, Queued, Retrying, Succeeded};
    // Each pair in both orders, once in one batch and once in two: the second of the pair wins.
    for (loser, winner) in [
        ((Queued, 1), (Retrying, 1)),
        ((Retrying, 1), (Queued, 2)),
        ((Retrying, 2), (Succeeded, 2)),
        ((Queued, 1), (Dead, 1)),
        ((Queued, 1), (Handled, 1)),
        ((Queued, 3), (Succeeded, 2)),
        ((Dead, 2), (Succeeded, 3)),
    ] {
        let make = |(status, attempt)| StepRun { attempt, ..run(1, 1, status) };
        for pair in [[make(loser), make(winner)], [make(winner), make(loser)]] {
            let store = harness.store().await;
            record(&store, &pair).await;
            let kept = ok(store.step_run(pair[0].id).await).expect("it was recorded");
            assert_eq!((kept.status, kept.attempt), winner, "in one batch, {pair:?}");
            let store = harness.store().await;
            record(&store, &pair[..1]).await;
            record(&store, &pair[1..]).await;
            let (execution, runs) = ok(store.execution(pair[0].execution).await).expect("it was recorded");
            assert_eq!((runs[0].status, runs[0].attempt), winner, "in two batches, {pair:?}");
            assert_eq!((execution.runs, runs.len()), (1, 1));
            assert_eq!(execution.status, status_of(winner.0));
        }
    }
}

fn status_of(status: RunStatus) -> ExecutionStatus {
    match status {
        RunStatus::Queued | RunStatus::Retrying => ExecutionStatus::Running,
        RunStatus::Succeeded | RunStatus::Handled => ExecutionStatus::Succeeded,
        RunStatus::Dead => ExecutionStatus::Failed,
    }
}

async fn an_execution_stands_as_its_step_runs_do(harness: &dyn StoreHarness) {
    use ExecutionStatus::{Failed, Running, Succeeded};
    let store = harness.store().await;
    for (recorded, expect) in [
        (run(1, 1, RunStatus::Queued), Running),
        (run(2, 1, RunStatus::Dead), Running),
        (run(1, 1, RunStatus::Succeeded), Failed),
        (run(3, 1, RunStatus::Handled), Failed),
        (run(4, 1, RunStatus::Retrying), Running),
        (run(4, 1, RunStatus::Handled), Failed),
        (StepRun { attempt: 2, ..run(2, 1, RunStatus::Queued) }, Running),
        (StepRun { attempt: 2, ..run(2, 1, RunStatus::Succeeded) }, Succeeded),
    ] {
        record(&store, std::slice::from_ref(&recorded)).await;
        let (execution, _) = ok(store.execution(recorded.execution).await).expect("it was recorded");
        assert_eq!(execution.status, expect, "after {recorded:?}");
        for status in [Running, Succeeded, Failed] {
            let filter = ExecutionFilter { status: Some(status), limit: 10, ..ExecutionFilter::default() };
            let listed = ok(store.executions(&filter).await).len();
            assert_eq!(listed, usize::from(status == expect), "listed as {status:?}");
        }
    }
}

async fn executions_are_paged_newest_first(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let mut runs = Vec::new();
    for number in 1..=7_u128 {
        let flow = FlowId::from_bits(1 + number % 2);
        // Pairs start at the same time, so that the id decides.
        let seconds = i64::try_from(number / 2).expect("small");
        runs.push(StepRun { flow, at: at(seconds), ..run(number, number, RunStatus::Succeeded) });
    }
    record(&store, &runs).await;
    let mut filter = ExecutionFilter { limit: 3, ..ExecutionFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = ok(store.executions(&filter).await);
        let Some(last) = page.last() else { break };
        filter.before = Some((last.started_at, last.id));
        pages.push(page.iter().map(|execution| execution.id.bits()).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
    let filter = ExecutionFilter {
        flows: Some(vec![FlowId::from_bits(2)]),
        limit: 1000,
        ..ExecutionFilter::default()
    };
    let ids: Vec<_> = ok(store.executions(&filter).await).iter().map(|e| e.id.bits()).collect();
    assert_eq!(ids, [7, 5, 3, 1]);
    let none = ExecutionFilter { status: Some(ExecutionStatus::Failed), ..filter };
    assert!(ok(store.executions(&none).await).is_empty());
}

async fn an_execution_may_repeat_another(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let retries = vec![(ExecutionId::from_bits(2), ExecutionId::from_bits(1))];
    ok(store.record(&HistoryBatch { retries, ..HistoryBatch::default() }).await);
    record(&store, &[run(1, 1, RunStatus::Dead), run(2, 2, RunStatus::Queued)]).await;
    let (execution, _) = ok(store.execution(ExecutionId::from_bits(2)).await).expect("it was recorded");
    assert_eq!(execution.retry_of, Some(ExecutionId::from_bits(1)));
    let filter = ExecutionFilter { limit: 10, ..ExecutionFilter::default() };
    let retried: Vec<_> = ok(store.executions(&filter).await).iter().map(|e| e.retry_of).collect();
    assert_eq!(retried, [Some(ExecutionId::from_bits(1)), None]);
}

async fn counters_add_up(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let flow = FlowId::from_bits(1);
    let all = StepCounters {
        received: 1,
        succeeded: 2,
        emitted: 3,
        failed: 4,
        retried: 5,
        dead: 6,
        filtered: 7,
        duplicates: 8,
        skipped: 9,
        micros: 10,
    };
    let delta = |name: &str, delta| CounterDelta { flow, step: step(name), delta };
    let counters = vec![delta("push", all), delta("push", all), delta("tick", all)];
    for _ in 0..2 {
        ok(store.record(&HistoryBatch { counters: counters.clone(), ..HistoryBatch::default() }).await);
    }
    let counted = ok(store.counters(flow).await);
    let (push, tick) = (counted.steps[&step("push")], counted.steps[&step("tick")]);
    assert_eq!((push.received, push.micros, tick.skipped), (4, 40, 18));
    assert_eq!(push.succeeded + push.emitted + push.failed + push.retried, 4 * (2 + 3 + 4 + 5));
    assert_eq!(push.dead + push.filtered + push.duplicates, 4 * (6 + 7 + 8));
    assert!(ok(store.counters(FlowId::from_bits(2)).await).steps.is_empty());
    assert_eq!(ok(store.all_counters().await), BTreeMap::from([(flow, counted)]));
}

async fn versions_with_open_step_runs_are_told(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let versioned = |id, version, status| StepRun { version: FlowVersion(version), ..run(id, id, status) };
    record(
        &store,
        &[
            versioned(1, 1, RunStatus::Queued),
            versioned(2, 1, RunStatus::Retrying),
            versioned(3, 2, RunStatus::Succeeded),
            versioned(4, 3, RunStatus::Dead),
        ],
    )
    .await;
    assert_eq!(ok(store.open_versions().await), [(FlowId::from_bits(1), FlowVersion(1))]);
    record(&store, &[versioned(1, 1, RunStatus::Succeeded), versioned(2, 1, RunStatus::Handled)]).await;
    assert!(ok(store.open_versions().await).is_empty());
}
