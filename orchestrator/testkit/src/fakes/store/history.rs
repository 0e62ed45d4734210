//! Executions, step runs and counters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Counters, Execution, ExecutionStatus, FlowId, FlowVersion, RunStatus, StepRun};
use sluice_ports::PortError;
use sluice_ports::store::{ExecutionFilter, HistoryBatch, HistoryStore, Retention};
use sluice_protocol::{ExecutionId, MessageId};

use super::{MemoryStore, State};

#[async_trait]
impl HistoryStore for MemoryStore {
    async fn record(&self, batch: &HistoryBatch) -> Result<(), PortError> {
        let mut state = self.write("record history")?;
        for run in &batch.runs {
            state.note(run);
        }
        for (execution, retry_of) in &batch.retries {
            state.retries.entry(*execution).or_insert(*retry_of);
        }
        for counter in &batch.counters {
            let key = (counter.flow, counter.step.clone());
            state.counters.entry(key).or_default().add(&counter.delta);
        }
        Ok(())
    }

    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, PortError> {
        let state = self.read("list executions")?;
        let fits = |execution: &Execution| {
            filter.flows.as_ref().is_none_or(|wanted| wanted.contains(&execution.flow))
                && filter.status.is_none_or(|wanted| execution.status == wanted)
                && filter.before.is_none_or(|before| (execution.started_at, execution.id) < before)
        };
        let all = state.executions.keys().filter_map(|id| state.execution(*id));
        let mut executions: Vec<_> = all.filter(fits).collect();
        executions.sort_by_key(|execution| Reverse((execution.started_at, execution.id)));
        executions.truncate(filter.limit.clamp(1, 1000) as usize);
        Ok(executions)
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<(Execution, Vec<StepRun>)>, PortError> {
        let state = self.read(format!("read execution {id}"))?;
        let runs = state.runs_of(id).cloned().collect();
        Ok(state.execution(id).map(|execution| (execution, runs)))
    }

    async fn step_run(&self, id: MessageId) -> Result<Option<StepRun>, PortError> {
        let state = self.read(format!("read step run {id}"))?;
        Ok(state.places.get(&id).and_then(|place| state.runs.get(place)).cloned())
    }

    async fn counters(&self, flow: FlowId) -> Result<Counters, PortError> {
        let state = self.read(format!("read the counters of flow {flow}"))?;
        let steps = state.counters.iter().filter(|(key, _)| key.0 == flow);
        Ok(Counters { steps: steps.map(|(key, counters)| (key.1.clone(), *counters)).collect() })
    }

    async fn all_counters(&self) -> Result<BTreeMap<FlowId, Counters>, PortError> {
        let state = self.read("read the counters of all flows")?;
        let mut all: BTreeMap<FlowId, Counters> = BTreeMap::new();
        for (key, counters) in &state.counters {
            all.entry(key.0).or_default().steps.insert(key.1.clone(), *counters);
        }
        Ok(all)
    }

    async fn prune(&self, retention: Retention, now: DateTime<Utc>) -> Result<u64, PortError> {
        let mut state = self.write("prune history")?;
        let before = state.executions.len();
        state.forget(|execution| execution.updated_at + retention.age < now);
        let mut by_flow: BTreeMap<FlowId, Vec<_>> = BTreeMap::new();
        for execution in state.executions.values() {
            by_flow.entry(execution.flow).or_default().push(Reverse((execution.started_at, execution.id)));
        }
        let keep = usize::try_from(retention.count).unwrap_or(usize::MAX);
        let mut crowd = BTreeSet::new();
        for executions in by_flow.values_mut() {
            executions.sort_unstable();
            crowd.extend(executions.iter().skip(keep).map(|Reverse((_, id))| *id));
        }
        state.forget(|execution| crowd.contains(&execution.id));
        Ok((before - state.executions.len()) as u64)
    }

    async fn open_versions(&self) -> Result<Vec<(FlowId, FlowVersion)>, PortError> {
        let state = self.read("list open versions")?;
        let open = state.executions.keys().filter_map(|id| state.execution(*id));
        let open = open.filter(|execution| execution.status == ExecutionStatus::Running);
        let open: BTreeSet<_> = open.map(|execution| (execution.flow, execution.version)).collect();
        Ok(open.into_iter().collect())
    }
}

impl State {
    fn note(&mut self, run: &StepRun) {
        let next = self.runs.last_key_value().map_or(0, |(place, _)| place + 1);
        let place = *self.places.entry(run.id).or_insert(next);
        let merged = match self.runs.remove(&place) {
            Some(old) => merge(old, run.clone()),
            None => run.clone(),
        };
        let execution = self.executions.entry(merged.execution).or_insert_with(|| Execution {
            id: merged.execution,
            flow: merged.flow,
            version: merged.version,
            retry_of: None,
            status: ExecutionStatus::Running,
            started_at: run.at,
            updated_at: run.at,
            runs: 0,
        });
        execution.started_at = execution.started_at.min(run.at);
        execution.updated_at = execution.updated_at.max(run.at);
        self.runs.insert(place, merged);
    }

    fn runs_of(&self, id: ExecutionId) -> impl Iterator<Item = &StepRun> {
        self.runs.values().filter(move |run| run.execution == id)
    }

    /// An execution as its step runs stand now.
    fn execution(&self, id: ExecutionId) -> Option<Execution> {
        let execution = self.executions.get(&id)?.clone();
        let statuses: Vec<_> = self.runs_of(id).map(|run| run.status).collect();
        let status = if statuses.iter().any(|s| matches!(s, RunStatus::Queued | RunStatus::Retrying)) {
            ExecutionStatus::Running
        } else if statuses.contains(&RunStatus::Dead) {
            ExecutionStatus::Failed
        } else {
            ExecutionStatus::Succeeded
        };
        let retry_of = self.retries.get(&id).copied();
        Some(Execution { status, retry_of, runs: statuses.len() as u64, ..execution })
    }

    /// Deletes the executions that fit, with all that belongs to them.
    pub(super) fn forget(&mut self, fits: impl Fn(&Execution) -> bool) {
        let gone: BTreeSet<_> = self
            .executions
            .values()
            .filter(|execution| fits(execution))
            .map(|execution| execution.id)
            .collect();
        self.executions.retain(|id, _| !gone.contains(id));
        self.retries.retain(|id, _| !gone.contains(id));
        self.runs.retain(|_, run| !gone.contains(&run.execution));
        let Self { runs, places, .. } = self;
        places.retain(|_, place| runs.contains_key(place));
    }
}

/// Merges two reports of the same step run. What is final wins, then the later attempt, then the status that comes later
/// in an attempt; a dead letter is not final. What the winner leaves out is taken from the other one.
fn merge(old: StepRun, new: StepRun) -> StepRun {
    let rank = |run: &StepRun| match run.status {
        RunStatus::Queued => (0, run.attempt, 0),
        RunStatus::Retrying => (0, run.attempt, 1),
        RunStatus::Dead => (0, run.attempt, 2),
        RunStatus::Handled => (1, run.attempt, 3),
        RunStatus::Succeeded => (1, run.attempt, 4),
    };
    let place = (old.execution, old.flow, old.version, old.step.clone());
    let (winner, other) = if rank(&new) >= rank(&old) { (new, old) } else { (old, new) };
    let (execution, flow, version, step) = place;
    StepRun {
        execution,
        flow,
        version,
        step,
        input: winner.input.or(other.input),
        output: winner.output.or(other.output),
        context: winner.context.or(other.context),
        error: winner.error.or(other.error),
        micros: if winner.micros == 0 { other.micros } else { winner.micros },
        ..winner
    }
}
