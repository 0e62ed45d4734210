//! In-memory fakes. Each keeps its port's contract and has levers for what goes wrong in the world.

mod broker;
mod clock;
mod entropy;
mod notifier;
mod oauth;
mod runtime;
mod store;
mod users;
mod vault;

pub use broker::{End, Event, EventKind, Fate, MemoryBroker, Stored, Weather, Witness};
pub use clock::ManualClock;
pub use entropy::CountingEntropy;
pub use notifier::MemoryNotifier;
pub use oauth::{Asked, MemoryOAuth};
pub use runtime::{MemoryRuntime, Started};
pub use store::MemoryStore;
pub use users::MemoryUsers;
pub use vault::MemoryVault;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a test's panic: the fakes change their state in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
