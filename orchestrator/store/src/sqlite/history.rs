//! Reading history.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Counters, Execution, FlowId, FlowVersion, StepCounters, StepId, StepRun};
use sluice_ports::PortError;
use sluice_ports::store::{ExecutionFilter, HistoryBatch, HistoryStore, Retention};
use sluice_protocol::{ExecutionId, MessageId};
use sqlx::QueryBuilder;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{count, get, maybe_parsed, named, of_flows, parsed, time};
use crate::sqlite::SqliteStore;
use crate::sqlite::step_runs::step_run;

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn record(&self, batch: &HistoryBatch) -> Result<(), PortError> {
        self.write_history(batch).await.map_err(|failure| failure.of("record history"))
    }

    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, PortError> {
        self.list_executions(filter).await.map_err(|failure| failure.of("list executions"))
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<(Execution, Vec<StepRun>)>, PortError> {
        self.find_execution(id).await.map_err(|failure| failure.of(format!("read execution {id}")))
    }

    async fn step_run(&self, id: MessageId) -> Result<Option<StepRun>, PortError> {
        let query = sqlx::query("SELECT * FROM step_runs WHERE id = ?").bind(id.to_string());
        let row = query.fetch_optional(&self.readers).await.map_err(Failure::from);
        let run = row.and_then(|row| row.as_ref().map(step_run).transpose());
        run.map_err(|failure| failure.of(format!("read step run {id}")))
    }

    async fn counters(&self, flow: FlowId) -> Result<Counters, PortError> {
        self.read_counters(flow)
            .await
            .map_err(|failure| failure.of(format!("read the counters of flow {flow}")))
    }

    async fn all_counters(&self) -> Result<BTreeMap<FlowId, Counters>, PortError> {
        self.read_all_counters().await.map_err(|failure| failure.of("read the counters of all flows"))
    }

    async fn prune(&self, retention: Retention, now: DateTime<Utc>) -> Result<u64, PortError> {
        self.prune_history(retention, now).await.map_err(|failure| failure.of("prune history"))
    }

    async fn open_versions(&self) -> Result<Vec<(FlowId, FlowVersion)>, PortError> {
        self.list_open_versions().await.map_err(|failure| failure.of("list open versions"))
    }
}

impl SqliteStore {
    async fn list_executions(&self, filter: &ExecutionFilter) -> Outcome<Vec<Execution>> {
        let mut query = QueryBuilder::new(
            "SELECT executions.*, retry_of FROM executions LEFT JOIN retries ON execution = id WHERE true",
        );
        of_flows(&mut query, filter.flows.as_deref())?;
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status_name(status));
        }
        if let Some((started_at, id)) = filter.before {
            query.push(" AND (started_at, id) < (").push_bind(started_at.timestamp_millis());
            query.push(", ").push_bind(id.to_string()).push(")");
        }
        query.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(filter.limit.clamp(1, 1000));
        query.build().fetch_all(&self.readers).await?.iter().map(execution).collect()
    }

    async fn find_execution(&self, id: ExecutionId) -> Outcome<Option<(Execution, Vec<StepRun>)>> {
        // One snapshot, so that the execution stands as its step runs do.
        let mut read = self.readers.begin().await?;
        let found = sqlx::query(
            "SELECT executions.*, retry_of FROM executions LEFT JOIN retries ON execution = id WHERE id = ?",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *read)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let rows = sqlx::query("SELECT * FROM step_runs WHERE execution = ? ORDER BY seq")
            .bind(id.to_string())
            .fetch_all(&mut *read)
            .await?;
        Ok(Some((execution(&row)?, rows.iter().map(step_run).collect::<Outcome<_>>()?)))
    }

    async fn read_counters(&self, flow: FlowId) -> Outcome<Counters> {
        let rows = sqlx::query("SELECT * FROM counters WHERE flow = ?")
            .bind(flow.to_string())
            .fetch_all(&self.readers)
            .await?;
        let steps = rows.iter().map(|row| Ok((parsed(row, "step")?, step_counters(row)?)));
        Ok(Counters { steps: steps.collect::<Outcome<_>>()? })
    }

    async fn read_all_counters(&self) -> Outcome<BTreeMap<FlowId, Counters>> {
        // Each row is read as it comes: a row holds every one of its values by itself, ten times what is made of it, and of
        // these there are as many as steps.
        let read = |row: SqliteRow| -> Outcome<(FlowId, StepId, StepCounters)> {
            Ok((parsed(&row, "flow")?, parsed(&row, "step")?, step_counters(&row)?))
        };
        let rows = sqlx::query("SELECT * FROM counters").map(read).fetch_all(&self.readers).await?;
        let mut all: BTreeMap<FlowId, Counters> = BTreeMap::new();
        for row in rows {
            let (flow, step, counters) = row?;
            all.entry(flow).or_default().steps.insert(step, counters);
        }
        Ok(all)
    }

    async fn list_open_versions(&self) -> Outcome<Vec<(FlowId, FlowVersion)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT flow, version FROM executions WHERE status = 'running' ORDER BY flow, version",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok((parsed(row, "flow")?, FlowVersion(get(row, "version")?)))).collect()
    }
}

fn status_name(status: sluice_domain::ExecutionStatus) -> &'static str {
    match status {
        sluice_domain::ExecutionStatus::Running => "running",
        sluice_domain::ExecutionStatus::Succeeded => "succeeded",
        sluice_domain::ExecutionStatus::Failed => "failed",
    }
}

fn execution(row: &SqliteRow) -> Outcome<Execution> {
    Ok(Execution {
        id: parsed(row, "id")?,
        flow: parsed(row, "flow")?,
        version: FlowVersion(get(row, "version")?),
        retry_of: maybe_parsed(row, "retry_of")?,
        status: named(row, "status")?,
        started_at: time(row, "started_at")?,
        updated_at: time(row, "updated_at")?,
        runs: count(row, "runs")?,
    })
}

fn step_counters(row: &SqliteRow) -> Outcome<StepCounters> {
    Ok(StepCounters {
        received: count(row, "received")?,
        succeeded: count(row, "succeeded")?,
        emitted: count(row, "emitted")?,
        failed: count(row, "failed")?,
        retried: count(row, "retried")?,
        dead: count(row, "dead")?,
        filtered: count(row, "filtered")?,
        duplicates: count(row, "duplicates")?,
        skipped: count(row, "skipped")?,
        micros: count(row, "micros")?,
    })
}
