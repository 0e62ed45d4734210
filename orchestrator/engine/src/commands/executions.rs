//! Looking at executions and retrying them.

use serde_json::Value;
use serde_json::value::RawValue;
use sluice_domain::{Execution, StepId, StepRun};
use sluice_ports::store::{ExecutionFilter, HistoryBatch};
use sluice_protocol::gateway::Role;
use sluice_protocol::{ExecutionId, Headers, MessageId};

use super::trigger::emitted;
use crate::router::record::Replay;
use crate::{CommandError, Engine, FlowRef};

impl Engine {
    /// Executions, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, CommandError> {
        Ok(self.core.ports.store.executions(filter).await?)
    }

    /// One execution with its step runs.
    ///
    /// # Errors
    /// When there is none.
    pub async fn execution(&self, id: ExecutionId) -> Result<(Execution, Vec<StepRun>), CommandError> {
        let found = self.core.ports.store.execution(id).await?;
        found.ok_or_else(|| CommandError::not_found("execution", id))
    }

    /// Runs an execution again: whole, as a new execution of the flow's current version; or `from` one step, in the
    /// same execution. With a `body`, that is the trigger's output or the step's input.
    ///
    /// # Errors
    /// When there is no such execution or step, or what history kept of it is not whole.
    pub async fn retry_execution(
        &self,
        id: ExecutionId,
        from: Option<&StepId>,
        body: Option<Value>,
    ) -> Result<ExecutionId, CommandError> {
        let (execution, runs) = self.execution(id).await?;
        match from {
            None => self.retry_whole(&execution, &runs, body).await,
            Some(step) => self.retry_from(&execution, &runs, step, body).await,
        }
    }

    async fn retry_whole(
        &self,
        execution: &Execution,
        runs: &[StepRun],
        body: Option<Value>,
    ) -> Result<ExecutionId, CommandError> {
        let flow = self.resolve(&FlowRef::Id(execution.flow))?;
        let snapshot = self.core.snapshot();
        let live = snapshot
            .current(flow.id)
            .ok_or_else(|| CommandError::not_found("version of flow", &flow.name))?;
        let is_trigger =
            |run: &&StepRun| live.compiled.steps.get(&run.step).is_some_and(|step| step.role != Role::Action);
        let run = runs.iter().find(is_trigger).ok_or_else(|| incomplete("the output of its trigger"))?;
        let body = match body {
            Some(body) => body,
            None => first_output(run)?,
        };
        let outcome =
            emitted(live.compiled.address(&run.step).to_key(), &body, self.core.ports.entropy.bits());
        let new = outcome.input.execution(0);
        let batch = HistoryBatch { retries: vec![(new, execution.id)], ..HistoryBatch::default() };
        self.core.ports.store.record(&batch).await?;
        self.emit(flow.id.shard(), &outcome).await?;
        Ok(new)
    }

    async fn retry_from(
        &self,
        execution: &Execution,
        runs: &[StepRun],
        step: &StepId,
        body: Option<Value>,
    ) -> Result<ExecutionId, CommandError> {
        let run = runs
            .iter()
            .rev()
            .find(|run| run.step == *step)
            .ok_or_else(|| CommandError::not_found("step run of", step))?;
        let snapshot = self.core.snapshot();
        let version = snapshot.versions.contains_key(&(run.flow, run.version)).then_some(run.version);
        let version = version.or_else(|| snapshot.flows.get(&run.flow).map(|flow| flow.version));
        let live = version.and_then(|version| snapshot.versions.get(&(run.flow, version)));
        let live = live.ok_or_else(|| CommandError::not_found("flow", run.flow))?;
        let compiled = live.compiled.steps.get(step).ok_or_else(|| CommandError::not_found("step", step))?;
        if compiled.role != Role::Action {
            return Err(CommandError::bad(
                "step_is_trigger",
                format!("{step} is a trigger; retry the whole execution"),
            ));
        }
        let body = match body {
            Some(body) => serde_json::value::to_raw_value(&body).expect("a value is plain JSON"),
            None => whole_input(run)?,
        };
        let replay = Replay {
            id: MessageId::from_bits(self.core.ports.entropy.bits()),
            step: live.compiled.address(step).to_key(),
            execution: Some(execution.id),
            body,
            headers: Headers::new(),
            context: run.context.clone().and_then(|text| RawValue::from_string(text).ok()),
            gated: false,
        };
        self.replay(run.flow.shard(), &replay).await?;
        Ok(execution.id)
    }
}

fn incomplete(what: &str) -> CommandError {
    CommandError::conflict("history_incomplete", format!("history kept only a part of {what}; give a body"))
}

fn whole_input(run: &StepRun) -> Result<Box<RawValue>, CommandError> {
    let input =
        run.input.as_ref().filter(|input| !input.is_cut()).ok_or_else(|| incomplete("the step's input"))?;
    RawValue::from_string(input.text.clone()).map_err(|_| incomplete("the step's input"))
}

fn first_output(run: &StepRun) -> Result<Value, CommandError> {
    let missing = || incomplete("the output of its trigger");
    let output = run.output.as_ref().filter(|output| !output.is_cut()).ok_or_else(missing)?;
    let mut outputs: Value = serde_json::from_str(&output.text).map_err(|_| missing())?;
    outputs.pointer_mut("/0/body").map(Value::take).ok_or_else(missing)
}
