//! The tests: many seeds, and one seed twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::simulate::{Report, simulate};

/// Runs in a test of every day.
const RUNS: u64 = 1200;
/// Runs that are tried to make a failure smaller.
const SHRINKS: u32 = 200;
/// Of the threads that simulate: evaluating expressions takes some.
const STACK: usize = 8 << 20;

/// A number that whoever runs the test may set.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, which is no number")))
}

#[test]
fn nothing_is_lost_or_invented_whatever_goes_wrong() {
    let seed = setting("SLUICE_SIM_SEED");
    let runs = setting("SLUICE_SIM_RUNS").unwrap_or_else(|| if seed.is_some() { 1 } else { RUNS });
    let (next, failed) = (AtomicU64::new(seed.unwrap_or(1)), AtomicU64::new(u64::MAX));
    let end = next.load(Ordering::SeqCst) + runs;
    let begun = Instant::now();
    let verbose = runs == 1 && setting("SLUICE_SIM_TRACE").is_some();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let totals: Vec<(u64, usize)> = std::thread::scope(|scope| {
        let work = || {
            let mut totals = (0, 0);
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= end || seed > failed.load(Ordering::SeqCst) {
                    return totals;
                }
                let report = simulate(&Plan::draw(seed), verbose);
                for line in &report.log {
                    println!("{line}");
                }
                if !report.faults.is_empty() {
                    failed.fetch_min(seed, Ordering::SeqCst);
                }
                totals = (totals.0 + report.events, totals.1 + report.runs);
            }
        };
        let spawn =
            |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        handles.into_iter().map(|handle| handle.join().expect("the reason is printed above")).collect()
    });
    if failed.load(Ordering::SeqCst) < u64::MAX {
        fail(failed.load(Ordering::SeqCst));
    }
    let (events, handled) = totals.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{}", rate(runs, begun.elapsed(), (events, handled)));
}

fn rate(runs: u64, took: Duration, (events, handled): (u64, usize)) -> String {
    let milliseconds = took.as_millis().max(1);
    let rate = u128::from(runs) * 1000 / milliseconds;
    format!(
        "{runs} schedules in {milliseconds} ms ({rate} a second): {events} events, {handled} runs of functions"
    )
}

/// Says what is wrong with a seed, made as small as is cheap, and how to see it again.
fn fail(seed: u64) {
    let (plan, report) = shrink(Plan::draw(seed));
    let faults = report.faults.iter().take(10).map(|fault| format!("- {fault}\n")).collect::<String>();
    panic!(
        "seed {seed} fails:\n{faults}\nas little as this is enough:\n{plan:#?}\n\n\
         to run it again:\n  SLUICE_SIM_SEED={seed} cargo test --package sluice-engine --test simulation\n\
         and to see everything that happens, set SLUICE_SIM_TRACE=1 as well"
    );
}

fn shrink(mut plan: Plan) -> (Plan, Report) {
    let mut report = simulate(&plan, false);
    let mut tries = 0;
    'smaller: loop {
        for smaller in plan.smaller() {
            tries += 1;
            if tries > SHRINKS {
                break 'smaller;
            }
            let found = simulate(&smaller, false);
            if !found.faults.is_empty() {
                (plan, report) = (smaller, found);
                continue 'smaller;
            }
        }
        break;
    }
    (plan, report)
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut traces = BTreeSet::new();
    for seed in 1..=setting("SLUICE_SIM_TWICE").unwrap_or(40) {
        let plan = Plan::draw(seed);
        let (first, second) = (simulate(&plan, true), simulate(&plan, true));
        let same = first.log.iter().zip(&second.log).take_while(|(one, other)| one == other).count();
        if same < first.log.len() {
            for log in [&first.log, &second.log] {
                println!("{}\n", log[same.saturating_sub(12)..log.len().min(same + 4)].join("\n"));
            }
            panic!("two runs of seed {seed} differ from the event {same} on");
        }
        assert_eq!(first, second, "seed {seed}");
        traces.insert(first.trace);
    }
    assert!(traces.len() > 30, "other seeds give other runs");
}
