//! The fault program: real faults on the real stack, with books outside of it.
//!
//! ```text
//! cargo run -p sluice-tests --bin faults -- list
//! cargo run -p sluice-tests --bin faults -- run all --table docs/reliability.md
//! cargo run -p sluice-tests --bin faults -- crash-points
//! cargo run --release -p sluice-tests --bin faults -- kills --messages 100000
//! ```
//!
//! Needs root, Docker, the component images (`deploy/images/build`), Debian's `rabbitmq-server`, `iptables`, `sqlite3`, a
//! C compiler, and Node.js with npm for F8a. It starts a RabbitMQ node of its own, and for some rows a container engine of its own; what it made it
//! removes, also after a failure or Ctrl-C. Same seed, same data and same order of faults; when exactly they strike is up to
//! the machine.

mod broker;
mod catalogue;
mod daemon;
mod disk;
mod engine;
mod flows;
mod host;
mod kills;
mod left_out;
mod log;
mod network;
mod node;
mod payloads;
mod processes;
mod report;
mod rogue;
mod row;
mod stage;
mod store;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use sluice_tests::World;
use sluice_tests::crash::{Bench, Blow, POINTS};
use sluice_tests::load::COMPONENTS;

use crate::catalogue::{Fault, How, Runner};
use crate::node::Node;
use crate::report::{Report, crash_table, put_between_marks};
use crate::row::Row;
use crate::stage::Cx;

/// The longest that one row may take, besides how long it was told to.
const ROW: Duration = Duration::from_secs(900);

/// Makes faults and keeps the books.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the faults: how each is made, how it ends, what has to be so.
    List,
    /// Makes faults, each under a load of its own.
    Run(RunOptions),
    /// Ends, fails and delays the orchestrator at each of its crash points. Needs a build with debug assertions.
    CrashPoints(CrashOptions),
    /// Sends a backlog through a flow as fast as it can while parts of the stack are killed.
    Kills(kills::Options),
}

#[derive(Debug, Args)]
struct RunOptions {
    /// Their numbers, such as F1 F7, or `all`.
    #[arg(required = true)]
    faults: Vec<String>,
    /// Messages of a load, half of them by a queue, half by a webhook.
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// Decides the data of messages and the moments of faults.
    #[arg(long)]
    seed: Option<u64>,
    /// How long the broker is away in F8, in seconds.
    #[arg(long, default_value_t = 90)]
    outage: u64,
    /// How long F50 lasts, in seconds.
    #[arg(long, default_value_t = 60)]
    soak: u64,
    /// How long F50 lasts, in minutes.
    #[arg(long, conflicts_with = "soak")]
    minutes: Option<u64>,
    /// Writes the report as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Puts the rows of this run into the table between its marks in this file. Other rows stay as they are.
    #[arg(long)]
    table: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CrashOptions {
    /// Names of points; all of them when absent.
    points: Vec<String>,
    /// Decides the data of messages.
    #[arg(long)]
    seed: Option<u64>,
    /// Puts the points of this run into the table between its marks in this file. Others stay as they are.
    #[arg(long)]
    table: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    // Another part of the program may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let work = async {
        match options.command {
            What::List => list(),
            What::Run(options) => run(options).await,
            What::CrashPoints(options) => crash_points(options).await,
            What::Kills(options) => kills::run(&options).await,
        }
    };
    // Whatever is dropped here removes what it made.
    tokio::select! {
        done = work => done,
        interrupted = interrupted() => interrupted.and_then(|()| bail!("interrupted")),
    }
}

async fn interrupted() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for fault in catalogue::all() {
        writeln!(out, "{:5} {}", fault.number, fault.name)?;
        match fault.how {
            How::Runs(_) => {
                writeln!(out, "      made by   {}", fault.inject)?;
                writeln!(out, "      ends by   {}", fault.undo)?;
            }
            How::Shown(by) => writeln!(out, "      shown by  {by}")?,
            How::LeftOut(why) => writeln!(out, "      left out  {why}")?,
        }
        writeln!(out, "      expected  {}", fault.expected)?;
    }
    Ok(())
}

/// The faults that run here and were asked for.
fn chosen(all: &[Fault], wanted: &[String]) -> Result<Vec<(Fault, Runner)>> {
    for name in wanted.iter().filter(|name| *name != "all") {
        let known = all.iter().find(|fault| fault.number.eq_ignore_ascii_case(name));
        let known = known.with_context(|| format!("there is no fault {name}; see `faults list`"))?;
        ensure!(matches!(known.how, How::Runs(_)), "{name} does not run here; see `faults list`");
    }
    let asked =
        |fault: &&Fault| wanted.iter().any(|name| name == "all" || fault.number.eq_ignore_ascii_case(name));
    let runner = |fault: &Fault| match fault.how {
        How::Runs(runner) => Some((*fault, runner)),
        How::Shown(_) | How::LeftOut(_) => None,
    };
    Ok(all.iter().filter(asked).filter_map(runner).collect())
}

async fn run(options: RunOptions) -> Result<()> {
    let all = catalogue::all();
    let chosen = chosen(&all, &options.faults)?;
    let seed = options.seed.unwrap_or_else(rand::random);
    say(&format!("seed {seed}, {} faults", chosen.len()))?;
    let mut cx = Cx {
        node: Node::start().await?,
        seed,
        messages: options.messages,
        outage: Duration::from_secs(options.outage),
        soak: Duration::from_secs(options.minutes.map_or(options.soak, |minutes| minutes.saturating_mul(60))),
    };
    let build = if cfg!(debug_assertions) { "development" } else { "release" };
    let mut report = Report { seed, messages: options.messages, build, rows: Vec::new() };
    for (fault, runner) in chosen {
        let row = one(&mut cx, &fault, runner).await;
        say(&format!(
            "{:5} {:8} {:4.0} s  {}{}",
            row.number,
            row.verdict(),
            row.seconds,
            row.name,
            row.broken.iter().map(|what| format!("\n      not so: {what}")).collect::<String>()
        ))?;
        report.rows.push(row);
        // So that a run that is ended half-way leaves what it found.
        if let Some(file) = &options.json {
            std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
        }
        if let Some(file) = &options.table {
            put_between_marks(file, "faults", |before| report.table(&all, before))?;
        }
    }
    rogue::remove().await;
    drop(cx);
    writeln!(std::io::stdout(), "{}", report.table(&all, ""))?;
    let failed: Vec<_> = report.rows.iter().filter(|row| row.verdict() != "pass").collect();
    ensure!(failed.is_empty(), "{} rows do not pass", failed.len());
    Ok(())
}

/// Runs a fault; one that cannot be run to its end is a row that fails.
async fn one(cx: &mut Cx, fault: &Fault, runner: Runner) -> Row {
    let begun = std::time::Instant::now();
    let patience = ROW.saturating_add(cx.outage).saturating_add(cx.soak);
    let row = tokio::time::timeout(patience, runner(cx)).await;
    let row = row.map_err(Into::into).and_then(|row| row);
    let mut row = row.unwrap_or_else(|error| {
        let mut row = Row { seconds: begun.elapsed().as_secs_f64(), ..Row::default() };
        row.check(&format!("the row runs to its end ({error:#})"), false);
        row
    });
    (row.number, row.name) = (fault.number.to_owned(), fault.name.to_owned());
    // The next one needs a broker, whatever became of this one.
    if let Err(error) = cx.node.mend().await {
        row.check(&format!("the broker is whole again ({error:#})"), false);
    }
    row
}

async fn crash_points(options: CrashOptions) -> Result<()> {
    ensure!(cfg!(debug_assertions), "a release build has no crash points; leave out --release");
    for name in &options.points {
        ensure!(POINTS.iter().any(|point| point.name == name), "there is no crash point {name}");
    }
    let seed = options.seed.unwrap_or_else(rand::random);
    say(&format!("seed {seed}"))?;
    let node = Node::start().await?;
    let mut bench = crash_bench(&node, seed).await?;
    let (mut cases, mut failed) = (Vec::new(), Vec::new());
    for point in POINTS {
        if !options.points.is_empty() && !options.points.iter().any(|name| name == point.name) {
            continue;
        }
        for blow in Blow::ALL {
            if blow == Blow::Error && !point.fails {
                continue;
            }
            match bench.strike(point, blow).await {
                Ok(case) => {
                    say(&format!("{} {blow:?}: {:.1} s", point.name, case.seconds))?;
                    cases.push(case);
                }
                Err(error) => {
                    say(&format!("{} {blow:?} FAILS: {error:#}", point.name))?;
                    failed.push((format!("{} {blow:?}", point.name), format!("{error:#}")));
                    // What it left behind is not the next one's fault.
                    drop(bench);
                    bench = crash_bench(&node, seed).await?;
                }
            }
        }
        if let Some(file) = &options.table {
            put_between_marks(file, "crash points", |before| crash_table(&cases, &failed, before))?;
        }
    }
    bench.stop().await?;
    drop(node);
    writeln!(std::io::stdout(), "{}", crash_table(&cases, &failed, ""))?;
    ensure!(failed.is_empty(), "{} cases fail", failed.len());
    Ok(())
}

async fn crash_bench(node: &Node, seed: u64) -> Result<Bench> {
    let world = World::start_on(node.broker("crash").await?, None, &COMPONENTS, &[]).await?;
    Bench::start(world, seed).await
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{text}").map_err(Into::into)
}
