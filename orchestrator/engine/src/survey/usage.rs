//! What containers use: asked for every few seconds, while somebody wants to know.
//!
//! An engine may take a second to answer for one container, so nobody waits for it: who asks gets what is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use sluice_domain::DeploymentId;
use sluice_ports::runtime::{ContainerState, Usage};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::core::Core;

/// How often it is asked for.
const EVERY: Duration = Duration::from_secs(5);
/// How long it goes on after somebody wanted to know.
const WANTED: Duration = Duration::from_secs(60);
/// How long the engine may take for all containers. What it has not said by then is left out this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Containers that are asked about at a time.
const AT_A_TIME: usize = 32;

/// What a container used when it was last asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Used {
    pub(crate) usage: Usage,
    /// Processors that it used since the time before.
    pub(crate) cpus: Option<f64>,
    at: Instant,
}

/// What is known of what containers use.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    wanted: Mutex<Option<Instant>>,
    known: Mutex<BTreeMap<DeploymentId, Used>>,
}

impl Uses {
    /// What is known. Somebody wants to know now.
    pub(crate) fn known(&self) -> BTreeMap<DeploymentId, Used> {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.uses().clone()
    }

    fn is_wanted(&self) -> bool {
        let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.is_some_and(|at| at.elapsed() < WANTED)
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<DeploymentId, Used>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        let uses = &core.survey.uses;
        let asked = if uses.is_wanted() { ask(&core).await } else { BTreeMap::new() };
        let mut known = uses.uses();
        let asked = asked.into_iter().map(|(id, (usage, at))| (id, since(known.get(&id), usage, at)));
        *known = asked.collect();
    }
}

async fn ask(core: &Core) -> BTreeMap<DeploymentId, (Usage, Instant)> {
    let running: Vec<(DeploymentId, String)> = core
        .deployments()
        .values()
        .filter_map(|state| Some((state.spec.id, state.container.as_ref()?)))
        .filter(|(_, container)| container.state == ContainerState::Running)
        .map(|(id, container)| (id, container.name.clone()))
        .collect();
    let asked = stream::iter(running).map(|(id, name)| async move {
        let usage = core.ports.runtime.usage(&name).await.ok().flatten();
        usage.map(|usage| (id, (usage, Instant::now())))
    });
    let mut asked = Box::pin(asked.buffer_unordered(AT_A_TIME));
    let (mut found, until) = (BTreeMap::new(), Instant::now() + PATIENCE);
    while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
        found.extend(answer);
    }
    found
}

/// What was used since the time before. A container that used less before is another one.
fn since(before: Option<&Used>, usage: Usage, at: Instant) -> Used {
    let cpus = before.and_then(|before| {
        let (grown, took) = (usage.cpu.checked_sub(before.usage.cpu)?, at.duration_since(before.at));
        (!took.is_zero()).then(|| grown.as_secs_f64() / took.as_secs_f64())
    });
    Used { usage, cpus, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(millis: u64) -> Usage {
        Usage { memory_bytes: 1, cpu: Duration::from_millis(millis) }
    }

    #[test]
    fn processors_are_what_was_used_in_the_time_between() {
        let (begun, later) = (Instant::now(), Instant::now() + Duration::from_secs(4));
        let first = since(None, usage(1000), begun);
        assert_eq!(first.cpus, None);
        let used = since(Some(&Used { at: later - Duration::from_secs(4), ..first }), usage(3000), later);
        assert_eq!(used.cpus, Some(0.5));
        assert_eq!(since(Some(&used), usage(10), later + EVERY).cpus, None, "it was started anew");
        assert_eq!(since(Some(&used), usage(3000), later).cpus, None, "no time went by");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_for_while_somebody_wants_to_know() {
        let uses = Uses::default();
        assert!(!uses.is_wanted());
        assert!(uses.known().is_empty() && uses.is_wanted());
        tokio::time::advance(WANTED).await;
        assert!(!uses.is_wanted());
    }
}
