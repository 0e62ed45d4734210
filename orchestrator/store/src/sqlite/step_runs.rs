//! Step runs: which of two reports of the same run wins, and their rows.
//!
//! Reports come in any order and more than once, because messages are redelivered and batches are written late. So the
//! order of arrival decides nothing: each report has a rank, and the higher one wins. What the winner leaves out is
//! taken from the other one.

use sluice_domain::{FlowVersion, RecordedBody, RunStatus, StepRun};
use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteRow};

use crate::failure::Outcome;
use crate::row::{count, get, maybe_json, named, parsed, time, to_count, to_json};

/// Orders the reports of one step run: what is final beats what is not, then the later attempt wins, then the status
/// that comes later in an attempt. A dead letter is not final, because an operator may send it on as a later attempt.
pub(super) fn rank(status: RunStatus, attempt: u32) -> i64 {
    let (is_final, order) = match status {
        RunStatus::Queued => (0, 0),
        RunStatus::Retrying => (0, 1),
        RunStatus::Dead => (0, 2),
        RunStatus::Handled => (1, 3),
        RunStatus::Succeeded => (1, 4),
    };
    (is_final << 40) | (i64::from(attempt) << 4) | order
}

/// Merges two reports of the same step run.
pub(super) fn merge(old: StepRun, new: StepRun) -> StepRun {
    let wins = rank(new.status, new.attempt) >= rank(old.status, old.attempt);
    let (winner, other) = if wins { (new, old.clone()) } else { (old.clone(), new) };
    StepRun {
        execution: old.execution,
        flow: old.flow,
        version: old.version,
        step: old.step,
        input: winner.input.or(other.input),
        output: winner.output.or(other.output),
        context: winner.context.or(other.context),
        error: winner.error.or(other.error),
        micros: if winner.micros == 0 { other.micros } else { winner.micros },
        ..winner
    }
}

/// The statement that writes `runs`, merging each with what is there by the same rule as [`merge`].
pub(super) fn upsert(runs: &[StepRun]) -> Outcome<QueryBuilder<Sqlite>> {
    let errors: Vec<_> =
        runs.iter().map(|run| run.error.as_ref().map(to_json).transpose()).collect::<Outcome<_>>()?;
    let mut query = QueryBuilder::new(
        "INSERT INTO step_runs (id, execution, flow, version, step, status, attempt, rank, input, input_bytes, output,
         output_bytes, context, error, micros, at) ",
    );
    query.push_values(runs.iter().zip(errors), |mut row, (run, error)| {
        row.push_bind(run.id.to_string())
            .push_bind(run.execution.to_string())
            .push_bind(run.flow.to_string())
            .push_bind(run.version.0)
            .push_bind(run.step.to_string())
            .push_bind(run.status.as_str())
            .push_bind(run.attempt)
            .push_bind(rank(run.status, run.attempt))
            .push_bind(run.input.as_ref().map(|body| body.text.clone()))
            .push_bind(run.input.as_ref().map(|body| to_count(body.bytes)))
            .push_bind(run.output.as_ref().map(|body| body.text.clone()))
            .push_bind(run.output.as_ref().map(|body| to_count(body.bytes)))
            .push_bind(run.context.clone())
            .push_bind(error)
            .push_bind(to_count(run.micros))
            .push_bind(run.at.timestamp_millis());
    });
    query.push(
        " ON CONFLICT (id) DO UPDATE SET
            status = iif(excluded.rank >= rank, excluded.status, status),
            attempt = iif(excluded.rank >= rank, excluded.attempt, attempt),
            at = iif(excluded.rank >= rank, excluded.at, at),
            micros = iif((excluded.rank >= rank AND excluded.micros > 0) OR micros = 0, excluded.micros, micros),
            input = iif(excluded.rank >= rank, coalesce(excluded.input, input), coalesce(input, excluded.input)),
            input_bytes = iif(excluded.rank >= rank, coalesce(excluded.input_bytes, input_bytes),
                coalesce(input_bytes, excluded.input_bytes)),
            output = iif(excluded.rank >= rank, coalesce(excluded.output, output), coalesce(output, excluded.output)),
            output_bytes = iif(excluded.rank >= rank, coalesce(excluded.output_bytes, output_bytes),
                coalesce(output_bytes, excluded.output_bytes)),
            context = iif(excluded.rank >= rank, coalesce(excluded.context, context),
                coalesce(context, excluded.context)),
            error = iif(excluded.rank >= rank, coalesce(excluded.error, error), coalesce(error, excluded.error)),
            rank = max(rank, excluded.rank)",
    );
    Ok(query)
}

/// Reads a row.
pub(super) fn step_run(row: &SqliteRow) -> Outcome<StepRun> {
    Ok(StepRun {
        id: parsed(row, "id")?,
        execution: parsed(row, "execution")?,
        flow: parsed(row, "flow")?,
        version: FlowVersion(get(row, "version")?),
        step: parsed(row, "step")?,
        status: named(row, "status")?,
        attempt: get(row, "attempt")?,
        input: body(row, "input", "input_bytes")?,
        output: body(row, "output", "output_bytes")?,
        context: get(row, "context")?,
        error: maybe_json(row, "error")?,
        micros: count(row, "micros")?,
        at: time(row, "at")?,
    })
}

fn body(row: &SqliteRow, text: &'static str, bytes: &'static str) -> Outcome<Option<RecordedBody>> {
    let Some(text) = get::<Option<String>>(row, text)? else { return Ok(None) };
    Ok(Some(RecordedBody { text, bytes: count(row, bytes)? }))
}
