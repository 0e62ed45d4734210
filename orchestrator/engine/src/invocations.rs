//! Invocations that are under way: who waits for which, and which deployments they keep running.
//!
//! What waits is kept in memory only. Whoever asked is gone when the process is, and an outcome that nobody waits for is
//! dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_domain::{DeploymentId, DeploymentSpec, InstanceName};
use sluice_protocol::{MessageId, Outcome};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Most invocations that are under way at a time, in all.
const MOST: usize = 2000;

/// The invocations that are under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocations(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<MessageId, Waiter>,
    warm: BTreeMap<DeploymentId, Warm>,
}

#[derive(Debug)]
struct Waiter {
    deployment: DeploymentId,
    instance: Option<InstanceName>,
    outcomes: mpsc::UnboundedSender<Outcome>,
}

#[derive(Debug)]
struct Warm {
    spec: DeploymentSpec,
    used_at: Instant,
}

/// A place in the table, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    invocations: Invocations,
    id: MessageId,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Invocations {
    /// Waits for the outcomes of an invocation, and keeps its deployment wanted. Nothing when too many are under way.
    pub(crate) fn open(
        &self,
        id: MessageId,
        spec: &DeploymentSpec,
        instance: Option<InstanceName>,
    ) -> Option<Ticket> {
        let mut state = self.state();
        if state.waiting.len() >= MOST {
            return None;
        }
        let (outcomes, received) = mpsc::unbounded_channel();
        state.waiting.insert(id, Waiter { deployment: spec.id, instance, outcomes });
        state.warm.insert(spec.id, Warm { spec: spec.clone(), used_at: Instant::now() });
        Some(Ticket { invocations: self.clone(), id, outcomes: received })
    }

    /// Hands an outcome that `writer` sent to whoever waits for it. False when nobody does, or another deployment was
    /// asked.
    pub(crate) fn deliver(&self, id: MessageId, writer: Option<DeploymentId>, outcome: Outcome) -> bool {
        let state = self.state();
        let waiter = state.waiting.get(&id).filter(|waiter| Some(waiter.deployment) == writer);
        waiter.is_some_and(|waiter| waiter.outcomes.send(outcome).is_ok())
    }

    /// Whether a deployment was asked to run something with an instance and has not answered yet.
    pub(crate) fn uses(&self, deployment: DeploymentId, instance: &InstanceName) -> bool {
        let state = self.state();
        state
            .waiting
            .values()
            .any(|waiter| waiter.deployment == deployment && waiter.instance.as_ref() == Some(instance))
    }

    /// The deployments that were asked within `idle`. The others are forgotten.
    pub(crate) fn warm(&self, idle: Duration) -> Vec<DeploymentSpec> {
        let mut state = self.state();
        let State { waiting, warm } = &mut *state;
        warm.retain(|id, warm| {
            warm.used_at.elapsed() < idle || waiting.values().any(|waiter| waiter.deployment == *id)
        });
        warm.values().map(|warm| warm.spec.clone()).collect()
    }

    /// Whether a deployment is kept running.
    pub(crate) fn keeps(&self, deployment: DeploymentId) -> bool {
        self.state().warm.contains_key(&deployment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The next outcome. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Outcome> {
        self.outcomes.recv().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.invocations.state().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use sluice_domain::Scope;
    use sluice_protocol::Status;

    use super::*;
    use crate::fixtures;

    fn outcome(id: MessageId) -> Outcome {
        let value = serde_json::json!({ "input": id, "step": "invocation/x", "status": "ok" });
        Outcome { status: Status::Ok, ..serde_json::from_value(value).unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_deployment_that_was_asked_may_answer() {
        let invocations = Invocations::default();
        let (id, spec) = (MessageId::from_bits(1), fixtures::deployment(Scope::Shared));
        let name: InstanceName = "crm".parse().unwrap();
        let mut ticket = invocations.open(id, &spec, Some(name.clone())).unwrap();
        assert!(invocations.uses(spec.id, &name));
        assert!(!invocations.uses(spec.id, &"other".parse().unwrap()));
        assert!(!invocations.deliver(id, Some(DeploymentId::from_bits(99)), outcome(id)));
        assert!(!invocations.deliver(id, None, outcome(id)));
        assert!(invocations.deliver(id, Some(spec.id), outcome(id)));
        assert_eq!(ticket.next().await.map(|outcome| outcome.input), Some(id));
        drop(ticket);
        assert!(!invocations.uses(spec.id, &name));
        assert!(!invocations.deliver(id, Some(spec.id), outcome(id)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_stays_wanted_until_it_is_idle() {
        let invocations = Invocations::default();
        let spec = fixtures::deployment(Scope::Shared);
        let idle = Duration::from_secs(600);
        let ticket = invocations.open(MessageId::from_bits(1), &spec, None).unwrap();
        tokio::time::advance(idle * 2).await;
        assert_eq!(invocations.warm(idle), std::slice::from_ref(&spec), "something of it is under way");
        drop(ticket);
        assert!(invocations.warm(idle).is_empty());
        assert!(!invocations.keeps(spec.id));
    }
}
