//! The store: what must survive the death of the process.
//!
//! Every method is one transaction: it happens whole or not at all, and once it returned `Ok` it survives kill -9 and
//! power loss. Writers are serialised. Lists are ordered as documented and paged by the key of the last row.
//! A second orchestrator on the same store is refused when the store is opened.

mod authorizations;
mod catalogue;
mod containers;
mod dead_letters;
mod events;
mod flows;
mod history;
mod hooks;
mod keys;
mod sessions;
mod tokens;

pub use authorizations::{AuthorizationAttempt, AuthorizationStore, StoredAuthorization};
pub use catalogue::{CatalogueStore, Release, StoredInstance};
pub use containers::ContainerStore;
pub use dead_letters::{DeadLetterFilter, DeadLetterStore};
pub use events::EventStore;
pub use flows::{Activity, FlowStore, NewVersion, TickState};
pub use history::{CounterDelta, ExecutionFilter, HistoryBatch, HistoryStore, Retention};
pub use hooks::{HookKey, HookStore, Subscription};
pub use keys::{KeyStore, Slot};
pub use sessions::SessionStore;
pub use tokens::TokenStore;

/// Everything the store can do.
pub trait Store:
    CatalogueStore
    + AuthorizationStore
    + FlowStore
    + HistoryStore
    + DeadLetterStore
    + TokenStore
    + SessionStore
    + ContainerStore
    + HookStore
    + KeyStore
    + EventStore
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: CatalogueStore
        + AuthorizationStore
        + FlowStore
        + HistoryStore
        + DeadLetterStore
        + TokenStore
        + SessionStore
        + ContainerStore
        + HookStore
        + KeyStore
        + EventStore
        + Send
        + Sync
{
}
