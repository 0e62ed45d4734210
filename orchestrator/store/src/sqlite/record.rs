//! Writing history: a batch of step runs, retries and counters in one transaction.
//!
//! Executions carry counts of their open and dead step runs. Which way these move is decided here, from how each step run
//! stood before and stands after; nothing else may write step runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sluice_domain::{FlowId, FlowVersion, RunStatus, StepRun};
use sluice_ports::store::{CounterDelta, HistoryBatch};
use sluice_protocol::{ExecutionId, MessageId};
use sqlx::{QueryBuilder, SqliteConnection};

use crate::failure::Outcome;
use crate::row::{get, named, parsed, to_count, to_json};
use crate::sqlite::SqliteStore;
use crate::sqlite::step_runs::{merge, rank, upsert};

/// Rows in one statement: enough to make the way to the database's thread cheap.
const ROWS: usize = 100;

/// How a step run stood before.
struct Before {
    execution: ExecutionId,
    status: RunStatus,
    attempt: u32,
}

/// What a batch does to one execution.
struct Delta {
    flow: FlowId,
    version: FlowVersion,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    runs: i64,
    open: i64,
    dead: i64,
}

impl SqliteStore {
    pub(super) async fn write_history(&self, batch: &HistoryBatch) -> Outcome<()> {
        let runs = merged(&batch.runs);
        let mut write = self.begin().await?;
        let before = before(&mut write, &runs).await?;
        for chunk in runs.chunks(ROWS) {
            upsert(chunk)?.build().execute(&mut *write).await?;
        }
        let deltas: Vec<_> = deltas(&runs, &before).into_iter().collect();
        for chunk in deltas.chunks(ROWS) {
            write_executions(&mut write, chunk).await?;
        }
        for (execution, retry_of) in &batch.retries {
            sqlx::query("INSERT INTO retries VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(execution.to_string())
                .bind(retry_of.to_string())
                .execute(&mut *write)
                .await?;
        }
        for counter in &batch.counters {
            add(&mut write, counter).await?;
        }
        Ok(write.commit().await?)
    }
}

/// The step runs of a batch, each once, in the order in which they come first.
fn merged(runs: &[StepRun]) -> Vec<StepRun> {
    let mut places: BTreeMap<MessageId, usize> = BTreeMap::new();
    let mut merged: Vec<StepRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match places.get(&run.id) {
            Some(&place) => merged[place] = merge(merged[place].clone(), run.clone()),
            None => {
                places.insert(run.id, merged.len());
                merged.push(run.clone());
            }
        }
    }
    merged
}

async fn before(write: &mut SqliteConnection, runs: &[StepRun]) -> Outcome<BTreeMap<MessageId, Before>> {
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    let rows = sqlx::query(
        "SELECT id, execution, status, attempt FROM step_runs WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(to_json(&ids)?)
    .fetch_all(write)
    .await?;
    let read = rows.iter().map(|row| {
        let before = Before {
            execution: parsed(row, "execution")?,
            status: named(row, "status")?,
            attempt: get(row, "attempt")?,
        };
        Ok((parsed(row, "id")?, before))
    });
    read.collect()
}

fn deltas(runs: &[StepRun], before: &BTreeMap<MessageId, Before>) -> BTreeMap<ExecutionId, Delta> {
    let mut deltas: BTreeMap<ExecutionId, Delta> = BTreeMap::new();
    for run in runs {
        let old = before.get(&run.id);
        let delta = deltas.entry(old.map_or(run.execution, |old| old.execution)).or_insert(Delta {
            flow: run.flow,
            version: run.version,
            first: run.at,
            last: run.at,
            runs: 0,
            open: 0,
            dead: 0,
        });
        let after = match old {
            Some(old) if rank(old.status, old.attempt) > rank(run.status, run.attempt) => old.status,
            _ => run.status,
        };
        delta.first = delta.first.min(run.at);
        delta.last = delta.last.max(run.at);
        delta.runs += i64::from(old.is_none());
        delta.open += i64::from(is_open(after)) - old.map_or(0, |old| i64::from(is_open(old.status)));
        delta.dead += i64::from(is_dead(after)) - old.map_or(0, |old| i64::from(is_dead(old.status)));
    }
    deltas
}

fn is_open(status: RunStatus) -> bool {
    matches!(status, RunStatus::Queued | RunStatus::Retrying)
}

fn is_dead(status: RunStatus) -> bool {
    matches!(status, RunStatus::Dead)
}

async fn write_executions(write: &mut SqliteConnection, deltas: &[(ExecutionId, Delta)]) -> Outcome<()> {
    let mut query = QueryBuilder::new(
        "INSERT INTO executions (id, flow, version, started_at, updated_at, runs, open, dead) ",
    );
    query.push_values(deltas, |mut row, (id, delta)| {
        row.push_bind(id.to_string())
            .push_bind(delta.flow.to_string())
            .push_bind(delta.version.0)
            .push_bind(delta.first.timestamp_millis())
            .push_bind(delta.last.timestamp_millis())
            .push_bind(delta.runs)
            .push_bind(delta.open)
            .push_bind(delta.dead);
    });
    query.push(
        " ON CONFLICT (id) DO UPDATE SET
            started_at = min(started_at, excluded.started_at), updated_at = max(updated_at, excluded.updated_at),
            runs = runs + excluded.runs, open = open + excluded.open, dead = dead + excluded.dead",
    );
    query.build().execute(write).await?;
    Ok(())
}

async fn add(write: &mut SqliteConnection, counter: &CounterDelta) -> Outcome<()> {
    let delta = &counter.delta;
    sqlx::query(
        "INSERT INTO counters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            received = received + excluded.received, succeeded = succeeded + excluded.succeeded,
            emitted = emitted + excluded.emitted, failed = failed + excluded.failed,
            retried = retried + excluded.retried, dead = dead + excluded.dead,
            filtered = filtered + excluded.filtered, duplicates = duplicates + excluded.duplicates,
            skipped = skipped + excluded.skipped, micros = micros + excluded.micros",
    )
    .bind(counter.flow.to_string())
    .bind(counter.step.as_str())
    .bind(to_count(delta.received))
    .bind(to_count(delta.succeeded))
    .bind(to_count(delta.emitted))
    .bind(to_count(delta.failed))
    .bind(to_count(delta.retried))
    .bind(to_count(delta.dead))
    .bind(to_count(delta.filtered))
    .bind(to_count(delta.duplicates))
    .bind(to_count(delta.skipped))
    .bind(to_count(delta.micros))
    .execute(write)
    .await?;
    Ok(())
}
