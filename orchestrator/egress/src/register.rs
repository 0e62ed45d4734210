//! What is open now: who goes where, so that a connection whose rule is gone can be cut.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_ports::egress::{Caller, EgressRules, Target};
use sluice_protocol::Reach;
use tokio_util::sync::CancellationToken;

/// The open connections. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Register(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Way>,
    /// How many each container has.
    counts: HashMap<Caller, usize>,
}

#[derive(Clone)]
struct Way {
    caller: Caller,
    target: Target,
    reach: Reach,
    cut: CancellationToken,
}

/// A connection in the register, until it is dropped.
pub(crate) struct Entry {
    register: Register,
    number: u64,
}

impl Register {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a connection, which ends when `cut` is cancelled. Nothing when its container has `most` already.
    pub(crate) fn enter(
        &self,
        caller: Caller,
        (target, reach): (&Target, Reach),
        cut: &CancellationToken,
        most: usize,
    ) -> Option<Entry> {
        let mut state = self.state();
        let count = state.counts.entry(caller).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        let number = state.next;
        state.next += 1;
        state.open.insert(number, Way { caller, target: target.clone(), reach, cut: cut.clone() });
        Some(Entry { register: self.clone(), number })
    }

    /// Whether nothing is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().open.is_empty()
    }

    /// Cuts those that no rule lets go on, or not as far. Where the rules cannot be asked, everything stays as it is.
    pub(crate) async fn review(&self, rules: &dyn EgressRules) -> usize {
        let mut ways: BTreeMap<(Caller, Target), Vec<Way>> = BTreeMap::new();
        for way in self.state().open.values() {
            ways.entry((way.caller, way.target.clone())).or_default().push(way.clone());
        }
        let mut cut = 0;
        for ((caller, target), ways) in ways {
            let Ok(reach) = rules.reach(caller, &target).await else { continue };
            for way in ways.iter().filter(|way| reach.is_none_or(|reach| reach < way.reach)) {
                way.cut.cancel();
                cut += 1;
            }
        }
        cut
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.register.state();
        let Some(way) = state.open.remove(&self.number) else { return };
        if let Some(count) = state.counts.get_mut(&way.caller) {
            *count -= 1;
            if *count == 0 {
                state.counts.remove(&way.caller);
            }
        }
    }
}
