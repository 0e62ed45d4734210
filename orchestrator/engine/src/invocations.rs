//! Invocations that are under way: who waits for which, and which deployments they keep running.
//!
//! What waits is kept in memory only. Whoever asked is gone when the process is, and an outcome that nobody waits for is
//! dropped.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_domain::{DeploymentId, DeploymentSpec, InstanceName};
use sluice_protocol::gateway::INVOKE_DEPTH;
use sluice_protocol::{MessageId, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::egress::Way;

/// Most invocations that are under way at a time, in all.
const MOST: usize = 2000;
/// How long a way out stays open after the run that needed it ended: longer than components keep idle connections.
const AFTER: Duration = Duration::from_secs(90);
/// Most ways out of a deployment that are kept. The oldest make room.
const WAYS: usize = 256;

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
    way: Option<Way>,
    outcomes: mpsc::UnboundedSender<Outcome>,
}

#[derive(Debug)]
struct Warm {
    spec: DeploymentSpec,
    used_at: Instant,
    places: Places,
    /// Where runs may go that ended, and when they did.
    ways: VecDeque<(Way, Instant)>,
}

/// Invocations that a deployment is given at a time, by how many calls from one instance to another led to them. A
/// container takes 64 at a time. Those that wait for further calls must leave room for these, so each depth has places of
/// its own.
#[derive(Debug, Clone)]
struct Places([Arc<Semaphore>; INVOKE_DEPTH as usize + 1]);

impl Default for Places {
    fn default() -> Self {
        Self(std::array::from_fn(|depth| Arc::new(Semaphore::new(if depth == 0 { 48 } else { 4 }))))
    }
}

/// A place in the table, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    invocations: Invocations,
    id: MessageId,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    places: Places,
}

impl Invocations {
    /// Waits for the outcomes of an invocation, and keeps its deployment wanted. Nothing when too many are under way.
    pub(crate) fn open(
        &self,
        id: MessageId,
        spec: &DeploymentSpec,
        instance: Option<InstanceName>,
        way: Option<Way>,
    ) -> Option<Ticket> {
        let mut state = self.state();
        if state.waiting.len() >= MOST {
            return None;
        }
        let (outcomes, received) = mpsc::unbounded_channel();
        state.waiting.insert(id, Waiter { deployment: spec.id, instance, way, outcomes });
        let before = state.warm.remove(&spec.id).map(|warm| (warm.places, warm.ways));
        let (places, ways) = before.unwrap_or_default();
        let warm = Warm { spec: spec.clone(), used_at: Instant::now(), places: places.clone(), ways };
        state.warm.insert(spec.id, warm);
        Some(Ticket { invocations: self.clone(), id, outcomes: received, places })
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

    /// Where the runs of a deployment may go that are under way, or ended a moment ago.
    pub(crate) fn ways(&self, deployment: DeploymentId) -> Vec<Way> {
        let state = self.state();
        let ended = state.warm.get(&deployment).into_iter().flat_map(|warm| &warm.ways);
        let ended = ended.filter(|(_, at)| at.elapsed() < AFTER).map(|(way, _)| way);
        let running = state.waiting.values().filter(|waiter| waiter.deployment == deployment);
        running.filter_map(|waiter| waiter.way.as_ref()).chain(ended).cloned().collect()
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
    /// A place for the run, which waits while the deployment has enough of this depth. Free when the permit is dropped.
    pub(crate) async fn place(&self, depth: u8) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places.0[usize::from(depth.min(INVOKE_DEPTH))]).acquire_owned().await.ok()
    }

    /// The next outcome. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Outcome> {
        self.outcomes.recv().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.invocations.state();
        let Some(Waiter { deployment, way: Some(way), .. }) = state.waiting.remove(&self.id) else { return };
        let Some(warm) = state.warm.get_mut(&deployment) else { return };
        warm.ways.retain(|(known, at)| *known != way && at.elapsed() < AFTER);
        warm.ways.truncate(WAYS - 1);
        warm.ways.push_front((way, Instant::now()));
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
        let mut ticket = invocations.open(id, &spec, Some(name.clone()), None).unwrap();
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
    async fn those_that_wait_for_others_leave_room_for_them() {
        let invocations = Invocations::default();
        let spec = fixtures::deployment(Scope::Shared);
        let open = |n: u128| invocations.open(MessageId::from_bits(n), &spec, None, None).unwrap();
        let (first, deeper) = (open(0), open(1));
        let mut held = Vec::new();
        for _ in 0..48 {
            held.push(first.place(0).await.unwrap());
        }
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, open(2).place(0)).await.is_err(), "no place is left at the top");
        for _ in 0..4 {
            held.push(deeper.place(1).await.unwrap());
        }
        assert!(tokio::time::timeout(soon, deeper.place(1)).await.is_err());
        assert!(deeper.place(2).await.is_some());
        drop(held);
        assert!(open(3).place(0).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_stays_wanted_until_it_is_idle() {
        let invocations = Invocations::default();
        let spec = fixtures::deployment(Scope::Shared);
        let idle = Duration::from_secs(600);
        let ticket = invocations.open(MessageId::from_bits(1), &spec, None, None).unwrap();
        tokio::time::advance(idle * 2).await;
        assert_eq!(invocations.warm(idle), std::slice::from_ref(&spec), "something of it is under way");
        drop(ticket);
        assert!(invocations.warm(idle).is_empty());
        assert!(!invocations.keeps(spec.id));
    }
}
