//! A sample of the crash points: `faults crash-points` tries all of them in each way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sluice_tests::World;
use sluice_tests::crash::{Bench, Blow, POINTS};
use sluice_tests::load::COMPONENTS;

/// One of each part: the router, the store, the webhook, the scheduler, the reconciler, replays, keys, tokens.
const SAMPLE: [(&str, Blow); 10] = [
    ("router_before_ack", Blow::Abort),
    ("lane_after_confirm", Blow::Error),
    ("dead_letters_after_store", Blow::Abort),
    ("webhook_after_confirm", Blow::Abort),
    ("tick_before_publish", Blow::Error),
    ("tick_before_end", Blow::Abort),
    ("redrive_after_publish", Blow::Abort),
    ("container_after_record", Blow::Abort),
    ("rotate_between_secrets", Blow::Abort),
    ("refresh_after_call", Blow::Error),
];
/// How many are tried however slow the machine is.
const LEAST: usize = 3;
/// No further case is begun after this.
const BUDGET: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_loses_nothing() -> Result<()> {
    if !cfg!(debug_assertions) {
        // A release build has no points.
        return Ok(());
    }
    let world = World::start("crash", &COMPONENTS).await?;
    let mut bench = Bench::start(world, 7).await?;
    let begun = Instant::now();
    for (tried, (name, blow)) in SAMPLE.into_iter().enumerate() {
        if tried >= LEAST && begun.elapsed() > BUDGET {
            break;
        }
        let point = POINTS.iter().find(|point| point.name == name).context("no such point")?;
        bench.strike(point, blow).await?;
    }
    bench.stop().await
}
