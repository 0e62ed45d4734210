//! The flows that are loaded: every version that may still have messages under way, ready to route.
//!
//! Readers take a snapshot; a change replaces the whole table. Old versions stay until they are retired, because
//! messages finish on the version that they started on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_domain::compiled::{CompiledFlow, CompiledStep};
use sluice_domain::topology::LaneName;
use sluice_domain::{
    DeploymentId, ErrorRoute, Flow, FlowId, FlowVersion, Gate, InstanceName, Intent, StepAddress, StepId,
};
use sluice_mapping::{Expression, Limits, Mapping, Reads, StepReads};
use sluice_protocol::StepKey;
use sluice_protocol::gateway::Role;
use tokio::sync::Notify;

use crate::placements::Placements;

/// One version of a flow, its expressions parsed.
#[derive(Debug)]
pub struct LiveFlow {
    /// The flow.
    pub compiled: CompiledFlow,
    /// Of the steps that have expressions.
    gates: BTreeMap<StepId, LiveGate>,
    /// What each step is called on the wire.
    keys: BTreeMap<StepId, StepKey>,
    /// How long the requests of each webhook wait that the flow answers.
    within: BTreeMap<StepId, Duration>,
    /// Messages sent to lanes less messages that came to an end. Only this process's: a hint, not the truth.
    under_way: AtomicI64,
    /// When a message of it was seen last, in unix milliseconds.
    seen: AtomicI64,
}

/// The gate of a step that lets everything in as it is.
static OPEN: LazyLock<LiveGate> = LazyLock::new(LiveGate::default);

/// The expressions of a step's gate.
#[derive(Debug, Default, Clone)]
pub(crate) struct LiveGate {
    pub(crate) when: Option<Expression>,
    pub(crate) split: Option<Expression>,
    pub(crate) input: Option<Mapping>,
    /// What the three of them read together. Nothing else need be given to them.
    pub(crate) reads: Reads,
}

/// A stored flow whose expressions no longer parse. Only a downgrade can cause it.
#[derive(Debug, thiserror::Error)]
#[error("the gate of step {step} of flow {flow} cannot be read: {reason}")]
pub struct LoadError {
    flow: FlowId,
    step: StepId,
    reason: String,
}

impl LiveFlow {
    /// Parses the expressions of a compiled flow.
    ///
    /// # Errors
    /// [`LoadError`] for the first one that does not parse.
    pub fn load(compiled: CompiledFlow) -> Result<Self, LoadError> {
        let mut gates = BTreeMap::new();
        for (id, step) in &compiled.steps {
            let gate = parse(&step.gate).map_err(|reason| LoadError {
                flow: compiled.id,
                step: id.clone(),
                reason,
            })?;
            if let Some(gate) = gate {
                gates.insert(id.clone(), gate);
            }
        }
        let within = within(&compiled);
        let keys = compiled.steps.keys().map(|id| (id.clone(), compiled.address(id).to_key())).collect();
        Ok(Self { compiled, gates, keys, within, under_way: AtomicI64::new(0), seen: AtomicI64::new(0) })
    }

    /// The expressions of a step's gate.
    pub(crate) fn gate(&self, step: &StepId) -> &LiveGate {
        self.gates.get(step).unwrap_or(&OPEN)
    }

    /// What a step is called on the wire.
    pub(crate) fn key(&self, step: &StepId) -> Option<&StepKey> {
        self.keys.get(step)
    }

    /// How long a request to the webhook `step` waits for an answer; nothing when no step behind it answers.
    pub(crate) fn within(&self, step: &StepId) -> Option<Duration> {
        self.within.get(step).copied()
    }

    /// Whether it answers requests.
    pub(crate) fn answers(&self) -> bool {
        !self.within.is_empty()
    }

    /// Whether the gate of `step` reads the output of `of`.
    pub(crate) fn reads_step(&self, step: &StepId, of: &StepId) -> bool {
        let Some(gate) = self.gates.get(step) else { return false };
        match &gate.reads.steps {
            StepReads::None => false,
            StepReads::Some(steps) => steps.contains_key(of.as_str()),
            StepReads::All => true,
        }
    }

    pub(crate) fn note(&self, balance: i64, now: DateTime<Utc>) {
        self.under_way.fetch_add(balance, Ordering::Relaxed);
        self.seen.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// Messages that are under way as far as this process knows.
    #[must_use]
    pub fn under_way(&self) -> i64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// When a message of it was seen last.
    #[must_use]
    pub fn seen_at(&self) -> Option<DateTime<Utc>> {
        Some(self.seen.load(Ordering::Relaxed))
            .filter(|millis| *millis > 0)
            .and_then(DateTime::from_timestamp_millis)
    }
}

/// How long the requests of each webhook wait: as long as the most patient step that answers them says.
fn within(flow: &CompiledFlow) -> BTreeMap<StepId, Duration> {
    let webhooks = flow.steps.iter().filter(|(_, step)| step.role == Role::Webhook);
    let patience = |id: &StepId| {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![id];
        let mut found = None;
        while let Some(id) = waiting.pop() {
            let Some(step) = flow.steps.get(id).filter(|_| seen.insert(id)) else { continue };
            if step.role == Role::Respond {
                found = found.max(Some(step.timeout.get()));
            }
            waiting.extend(step.next.values().flatten());
            if let ErrorRoute::To(to) = &step.on_error {
                waiting.push(to);
            }
        }
        found
    };
    webhooks.filter_map(|(id, _)| Some((id.clone(), patience(id)?))).collect()
}

fn parse(gate: &Gate) -> Result<Option<LiveGate>, String> {
    if gate.when.is_none() && gate.split.is_none() && gate.input.is_none() {
        return Ok(None);
    }
    let limits = Limits::default();
    let expression = |source: &Option<String>| {
        source
            .as_deref()
            .map(|text| Expression::parse(text, &limits))
            .transpose()
            .map_err(|error| error.to_string())
    };
    let first = |errors: Vec<sluice_mapping::MappingError>| {
        errors.first().map_or_else(String::new, ToString::to_string)
    };
    let (when, split) = (expression(&gate.when)?, expression(&gate.split)?);
    let input = gate.input.as_ref().map(|tree| Mapping::parse(tree, &limits)).transpose().map_err(first)?;
    let mut reads = Reads::default();
    for read in [&when, &split].into_iter().flatten().map(Expression::reads) {
        reads.merge(read);
    }
    if let Some(input) = &input {
        reads.merge(input.reads());
    }
    Ok(Some(LiveGate { when, split, input, reads }))
}

/// What is known about all flows at one moment.
#[derive(Debug, Default, Clone)]
pub struct Snapshot {
    /// The flows as their operators want them.
    pub flows: BTreeMap<FlowId, Flow>,
    /// The versions that may have messages under way.
    pub versions: BTreeMap<(FlowId, FlowVersion), Arc<LiveFlow>>,
    /// The flows whose triggers are paused because too much waits.
    pub crowded: BTreeSet<FlowId>,
    /// The instances that a person has to authorise: their steps wait.
    pub parked: BTreeSet<InstanceName>,
    /// The revisions of all instances, by which components see that what they keep of one is out of date.
    pub revisions: Arc<BTreeMap<InstanceName, u64>>,
    /// The versions that are to end and of which nothing is under way any more: no container serves them.
    pub released: BTreeSet<(FlowId, FlowVersion)>,
}

impl Snapshot {
    /// The version that an address names.
    #[must_use]
    pub fn version_of(&self, address: &StepAddress) -> Option<&Arc<LiveFlow>> {
        self.versions.get(&(address.flow, address.version))
    }

    /// The versions of one flow, the oldest first. Looks at no other flow.
    pub(crate) fn versions_of(
        &self,
        flow: FlowId,
    ) -> impl Iterator<Item = (&(FlowId, FlowVersion), &Arc<LiveFlow>)> {
        self.versions.range((flow, FlowVersion(0))..=(flow, FlowVersion(u32::MAX)))
    }

    /// The lane of its own that the step has or would have which an envelope names.
    pub(crate) fn own_lane(&self, key: &StepKey) -> Option<LaneName> {
        let address = StepAddress::try_from(key).ok()?;
        let step = self.version_of(&address)?.compiled.steps.get(&address.step)?;
        Some(step.lane.clone())
    }

    /// The version that new messages of a flow start on.
    #[must_use]
    pub fn current(&self, flow: FlowId) -> Option<&Arc<LiveFlow>> {
        self.versions.get(&(flow, self.flows.get(&flow)?.version))
    }

    /// Whether a step has to wait for a person who authorises its instance.
    #[must_use]
    pub fn waits(&self, step: &CompiledStep) -> bool {
        step.instance.as_ref().is_some_and(|instance| self.parked.contains(instance))
    }

    /// Whether the triggers of a flow may fire.
    #[must_use]
    pub fn may_fire(&self, flow: FlowId) -> bool {
        self.flows.get(&flow).is_some_and(|flow| flow.intent == Intent::Run) && !self.crowded.contains(&flow)
    }
}

/// The table and the news of its changes.
#[derive(Debug, Default)]
pub struct Table {
    current: RwLock<Arc<Snapshot>>,
    placements: Placements,
    news: Arc<News>,
    /// The revision of what each deployment is to serve, and after how many changes that was so.
    told: Mutex<HashMap<DeploymentId, (u64, u64)>>,
}

#[derive(Debug, Default)]
struct News {
    /// Counts the changes.
    count: AtomicU64,
    changed: Notify,
}

/// The news of a table's changes, for one who waits for them. Those who wait hear in the order in which they came: a
/// watch channel would wake them in an order that it draws by lot.
#[derive(Debug)]
pub struct Changes {
    news: Arc<News>,
    seen: u64,
}

impl Changes {
    /// Takes all changes so far for seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.news.count.load(Ordering::SeqCst);
    }

    /// Waits for a change that was not seen. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            let changed = self.news.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that no change falls between the look and the wait.
            changed.as_mut().enable();
            let count = self.news.count.load(Ordering::SeqCst);
            if count != self.seen {
                self.seen = count;
                return;
            }
            changed.await;
        }
    }
}

impl Table {
    pub(crate) fn new(settings: &crate::Settings) -> Self {
        Self { placements: Placements::new(settings), ..Self::default() }
    }

    /// The table of now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the table and wakes whoever waits for changes.
    pub fn change(&self, edit: impl FnOnce(&mut Snapshot)) {
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = Snapshot::clone(&current);
            edit(&mut next);
            *current = Arc::new(next);
        }
        self.tell();
    }

    /// Which lanes carry the inputs of the steps.
    pub(crate) fn placements(&self) -> &Placements {
        &self.placements
    }

    /// Wakes whoever waits for changes: something that belongs to the table and is not in it changed.
    pub(crate) fn tell(&self) {
        self.news.count.fetch_add(1, Ordering::SeqCst);
        self.news.changed.notify_waiters();
    }

    /// Counts the changes.
    pub(crate) fn count(&self) -> u64 {
        self.news.count.load(Ordering::SeqCst)
    }

    /// Notes the revision of what a deployment is to serve, which was worked out from the table after it was at `mark`.
    pub(crate) fn note_told(&self, deployment: DeploymentId, revision: u64, mark: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // What was so before other changes helps nobody.
        told.retain(|_, (_, known)| *known == mark);
        told.insert(deployment, (revision, mark));
    }

    /// Whether what a deployment is to serve has this revision still, as far as that is known without a look at all flows.
    pub(crate) fn is_told(&self, deployment: DeploymentId, revision: u64) -> bool {
        let mark = self.count();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&deployment) == Some(&(revision, mark))
    }

    /// Fires at every change.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let mut changes = Changes { news: self.news.clone(), seen: 0 };
        changes.mark_unchanged();
        changes
    }
}
