//! Webhooks: the keys of their URLs, and what judges requests.
//!
//! Invariant: each webhook step of a flow's current version has or had a key. The loop makes those that are missing, so that
//! a process that dies between storing a flow and its keys leaves no hole.

mod bench;
pub(crate) mod closing;
mod compiled;
mod judge;
mod key;
pub(crate) mod subscriptions;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_domain::{FlowId, FlowVersion, StepId};
use sluice_ports::PortError;
use sluice_protocol::MessageId;
use sluice_protocol::gateway::Role;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::core::Core;
use crate::table::LiveFlow;

pub(crate) use bench::{Bench, Job};
pub(crate) use compiled::Hook;
pub(crate) use judge::Verdict;
pub(crate) use key::{hash, make, open, seal_anew};
pub(crate) use subscriptions::Troubles;

/// How long a delivery is remembered, and a key that stopped working is kept. Longer than senders go on trying.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(72 * 3600);
/// How often what is too old is forgotten, and keys that could not be made are tried again.
const EVERY: Duration = Duration::from_secs(600);
/// Hooks that are kept ready.
const READY: usize = 1_000;

/// What takes requests.
pub(crate) struct Hooks {
    pub(crate) bench: Bench,
    ready: Mutex<HashMap<(FlowId, FlowVersion, StepId), Arc<Hook>>>,
    /// Deliveries that are just being published.
    under_way: Mutex<HashSet<MessageId>>,
    troubles: Mutex<Troubles>,
    /// Says that a URL is another one.
    pub(crate) changed: Notify,
}

impl Hooks {
    /// Starts the threads that judge requests.
    pub(crate) fn start() -> std::io::Result<Self> {
        Ok(Self {
            bench: Bench::start()?,
            ready: Mutex::default(),
            under_way: Mutex::default(),
            troubles: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// What went wrong when senders were to be told of URLs.
    pub(crate) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        lock(&self.troubles)
    }

    /// The webhook of a step, read once for each version. Nothing when its config is none: only a downgrade can cause it.
    pub(crate) fn hook(&self, live: &LiveFlow, step: &StepId) -> Option<Arc<Hook>> {
        let key = (live.compiled.id, live.compiled.version, step.clone());
        let mut ready = lock(&self.ready);
        if let Some(hook) = ready.get(&key) {
            return Some(hook.clone());
        }
        let config = &live.compiled.steps.get(step)?.config;
        let hook = match Hook::read(config) {
            Ok(hook) => Arc::new(hook),
            Err(error) => {
                warn!(flow.id = %live.compiled.id, step.id = %step, error = crate::chain(&error), "a webhook cannot be read");
                return None;
            }
        };
        if ready.len() >= READY {
            ready.clear();
        }
        ready.insert(key, hook.clone());
        Some(hook)
    }

    /// Marks a delivery as being published; nothing when it is already.
    pub(crate) fn begin(&self, id: MessageId) -> Option<UnderWay<'_>> {
        let is_new = lock(&self.under_way).insert(id);
        // Made only where it is new: dropping one takes the lock, and the mark away.
        is_new.then(|| UnderWay { hooks: self, id })
    }
}

/// A delivery that is being published, until this is dropped.
pub(crate) struct UnderWay<'a> {
    hooks: &'a Hooks,
    id: MessageId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.hooks.under_way).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The webhook steps of a flow.
pub(crate) fn steps(live: &LiveFlow) -> impl Iterator<Item = &StepId> {
    live.compiled.steps.iter().filter(|(_, step)| step.role == Role::Webhook).map(|(id, _)| id)
}

/// Makes the keys that the flow's current version lacks.
pub(crate) async fn ensure(core: &Core, flow: FlowId) -> Result<(), PortError> {
    let snapshot = core.snapshot();
    let Some(live) = snapshot.current(flow) else { return Ok(()) };
    for step in steps(live) {
        let (key, _) = make(core, flow, step)?;
        if core.ports.store.put_first_hook_key(&key).await? {
            info!(flow.id = %flow, step.id = %step, "a webhook got its first key");
            core.hooks.changed.notify_one();
        }
    }
    Ok(())
}

/// Makes missing keys and forgets what is too old, until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut changes = core.table.changes();
    let mut timer = tokio::time::interval(EVERY);
    let mut seen: BTreeSet<(FlowId, FlowVersion)> = BTreeSet::new();
    loop {
        changes.mark_unchanged();
        let snapshot = core.snapshot();
        let current: BTreeSet<_> = snapshot.flows.values().map(|flow| (flow.id, flow.version)).collect();
        seen.retain(|known| current.contains(known));
        for known in current {
            if seen.contains(&known) {
                continue;
            }
            match ensure(&core, known.0).await {
                Ok(()) => {
                    seen.insert(known);
                }
                Err(error) => {
                    warn!(flow.id = %known.0, error = crate::chain(&error), "cannot make the key of a webhook");
                }
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = changes.changed() => {}
            _ = timer.tick() => forget(&core).await,
        }
    }
}

async fn forget(core: &Core) {
    let age = chrono::Duration::from_std(REMEMBERED).unwrap_or(chrono::Duration::MAX);
    if let Err(error) = core.ports.store.prune_hooks(core.ports.clock.now() - age).await {
        warn!(error = crate::chain(&error), "cannot forget old deliveries of webhooks");
    }
}
