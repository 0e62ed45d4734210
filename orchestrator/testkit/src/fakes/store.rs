//! A store that forgets everything when it goes.

mod access;
mod authorizations;
mod catalogue;
mod dead_letters;
mod events;
mod flows;
mod history;
mod hooks;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::topology::LaneName;
use sluice_domain::{
    ApiToken, Connector, ContainerStart, ContainerStartId, DeadLetter, DeadLetterId, Event, Execution, Flow,
    FlowId, FlowVersion, InstanceName, KeptSession, SessionId, StepCounters, StepId, StepRun, Template,
    TemplateName, TokenId,
};
use sluice_ports::store::{
    AuthorizationAttempt, HookKey, Release, StoredAuthorization, StoredInstance, Subscription, TickState,
};
use sluice_ports::{DataKey, Fault, PortError};
use sluice_protocol::{ComponentName, ExecutionId, MessageId};

use super::lock;

/// A process's handle on a store that forgets everything when the last handle goes.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    /// The process was killed.
    dead: AtomicBool,
}

#[derive(Default)]
struct State {
    down: bool,
    failing_writes: u32,
    failing_answers: u32,
    /// Writes that still work; all of them when absent.
    working_writes: Option<u32>,
    connectors: BTreeMap<(ComponentName, semver::Version), Connector>,
    subscriptions: BTreeMap<(FlowId, StepId, String), Subscription>,
    /// In the order in which they came.
    events: Vec<Event>,
    newest_event: u64,
    told: BTreeMap<String, u64>,
    /// In the order in which they came.
    data_keys: Vec<DataKey>,
    /// In the order in which they came.
    releases: Vec<Release>,
    instances: BTreeMap<InstanceName, StoredInstance>,
    authorizations: BTreeMap<InstanceName, StoredAuthorization>,
    attempts: BTreeMap<[u8; 32], AuthorizationAttempt>,
    templates: BTreeMap<(TemplateName, semver::Version), (Template, String)>,
    flows: BTreeMap<FlowId, Flow>,
    versions: BTreeMap<(FlowId, FlowVersion), Version>,
    lanes: BTreeSet<LaneName>,
    ticks: BTreeMap<(FlowId, StepId), TickState>,
    states: BTreeMap<(FlowId, StepId), Value>,
    counters: BTreeMap<(FlowId, StepId), StepCounters>,
    executions: BTreeMap<ExecutionId, Execution>,
    /// In the order in which they were first noted.
    runs: BTreeMap<u64, StepRun>,
    places: BTreeMap<MessageId, u64>,
    retries: BTreeMap<ExecutionId, ExecutionId>,
    letters: BTreeMap<DeadLetterId, DeadLetter>,
    tokens: BTreeMap<TokenId, ApiToken>,
    sessions: BTreeMap<SessionId, KeptSession>,
    starts: BTreeMap<ContainerStartId, ContainerStart>,
    /// In the order in which they were made.
    hook_keys: Vec<HookKey>,
    hook_deliveries: BTreeMap<(FlowId, StepId, MessageId), DateTime<Utc>>,
}

struct Version {
    compiled: CompiledFlow,
    seen_at: Option<DateTime<Utc>>,
}

impl MemoryStore {
    /// The handle of another process on the same data. (Real stores refuse a second one while the first lives.)
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { state: self.state.clone(), dead: AtomicBool::new(false) }
    }

    /// Ends this handle for good, as the kill of its process does: nothing that it still tries has an effect.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Makes the next so many calls that keep dead letters fail for now, though the letters are kept.
    pub fn lose_answers(&self, count: u32) {
        lock(&self.state).failing_answers = count;
    }

    /// The dead letters of a message, whatever the levers say.
    #[must_use]
    pub fn letters_of(&self, message: MessageId) -> Vec<DeadLetter> {
        lock(&self.state).letters.values().filter(|letter| letter.message == message).cloned().collect()
    }

    /// All dead letters, whatever the levers say.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        lock(&self.state).letters.values().cloned().collect()
    }

    /// A version of a flow, whatever the levers say.
    #[must_use]
    pub fn kept_version(&self, flow: FlowId, version: FlowVersion) -> Option<CompiledFlow> {
        lock(&self.state).versions.get(&(flow, version)).map(|kept| kept.compiled.clone())
    }

    /// Makes every call fail for now, or no longer.
    pub fn set_down(&self, down: bool) {
        lock(&self.state).down = down;
    }

    /// Makes the next so many writes fail for now, without effect.
    pub fn fail_writes(&self, count: u32) {
        lock(&self.state).failing_writes = count;
    }

    /// Makes all writes fail after the next so many, as if the process had been killed there; none when absent.
    pub fn fail_writes_after(&self, count: Option<u32>) {
        lock(&self.state).working_writes = count;
    }

    fn read(&self, operation: impl Into<String>) -> Result<MutexGuard<'_, State>, PortError> {
        let state = lock(&self.state);
        if state.down || self.dead.load(Ordering::SeqCst) {
            return Err(PortError::new(Fault::Transient, operation, "the fake is down"));
        }
        Ok(state)
    }

    fn write(&self, operation: impl Into<String>) -> Result<MutexGuard<'_, State>, PortError> {
        let operation = operation.into();
        let mut state = self.read(operation.clone())?;
        if state.working_writes == Some(0) {
            return Err(PortError::new(Fault::Transient, operation, "the test says so"));
        }
        state.working_writes = state.working_writes.map(|left| left - 1);
        if state.failing_writes > 0 {
            state.failing_writes -= 1;
            return Err(PortError::new(Fault::Transient, operation, "the test says so"));
        }
        Ok(state)
    }
}
