//! Events, and how far they were told.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Event, Happened};

use crate::PortError;

/// Events. They are noted in the transaction of the change that they tell of: `put_authorization` notes that the state of
/// an instance changed, `put_connector` and `release_connector` that another version of a connector is in use.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Notes something that happened and changed nothing in the store.
    async fn put_event(&self, at: DateTime<Utc>, what: &Happened) -> Result<(), PortError>;
    /// The events after this number, oldest first, at most `limit`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, PortError>;
    /// The number of the newest event; 0 before the first.
    async fn last_event(&self) -> Result<u64, PortError>;
    /// Up to which event somebody was told, if it ever was.
    async fn told(&self, whom: &str) -> Result<Option<u64>, PortError>;
    /// Notes up to which event somebody was told.
    async fn put_told(&self, whom: &str, event: u64) -> Result<(), PortError>;
    /// Forgets all but the newest `keep` events. Returns how many went. Numbers are never given again.
    async fn prune_events(&self, keep: u64) -> Result<u64, PortError>;
}
