//! How fast history is recorded: batches of 1,000 step runs with bodies of 1 KiB, first queued, then succeeded.
#![expect(clippy::print_stdout, reason = "it prints a measurement")]

use std::error::Error;
use std::time::{Duration, Instant};

use sluice_domain::{RecordedBody, RunStatus, StepRun};
use sluice_ports::store::{ExecutionFilter, HistoryBatch, HistoryStore, Retention};
use sluice_store::SqliteStore;
use sluice_testkit::fixtures::{at, run};

const BATCHES: u128 = 100;
const ROWS: u128 = 1000;
/// Step runs of one execution.
const STEPS: u128 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("sluice.db")).await?;
    for status in [RunStatus::Queued, RunStatus::Succeeded] {
        let mut spent = Duration::ZERO;
        for batch in 0..BATCHES {
            let runs = (0..ROWS).map(|row| step_run(batch * ROWS + row, status)).collect();
            let batch = HistoryBatch { runs, ..HistoryBatch::default() };
            let begun = Instant::now();
            store.record(&batch).await?;
            spent += begun.elapsed();
        }
        let rows = u32::try_from(BATCHES * ROWS)?;
        let batch = spent / u32::try_from(BATCHES)?;
        println!(
            "{}: {:.0} rows/s, {batch:?} a batch",
            status.as_str(),
            f64::from(rows) / spent.as_secs_f64()
        );
    }
    let begun = Instant::now();
    let listed = store.executions(&ExecutionFilter { limit: 100, ..ExecutionFilter::default() }).await?.len();
    println!("list {listed} executions: {:?}", begun.elapsed());
    let begun = Instant::now();
    let pruned = store.prune(Retention { age: Duration::from_secs(1), count: 1000 }, at(0)).await?;
    println!("prune {pruned} executions: {:?}", begun.elapsed());
    Ok(())
}

fn step_run(number: u128, status: RunStatus) -> StepRun {
    let body = || Some(RecordedBody { text: "x".repeat(1024), bytes: 1024 });
    // Ids are spread like those in the field, which are hashes.
    let spread = |number: u128| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let done = status == RunStatus::Succeeded;
    StepRun {
        input: if done { None } else { body() },
        output: if done { body() } else { None },
        at: at(i64::try_from(number / STEPS).unwrap_or(0)),
        ..run(spread(number), spread(number / STEPS), status)
    }
}
