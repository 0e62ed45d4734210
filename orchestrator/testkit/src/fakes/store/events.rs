//! Events, and how far they were told.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Event, Happened};
use sluice_ports::PortError;
use sluice_ports::store::EventStore;

use super::{MemoryStore, State};

impl State {
    pub(super) fn happened(&mut self, at: DateTime<Utc>, what: Happened) {
        self.newest_event += 1;
        self.events.push(Event { id: self.newest_event, at, what });
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn put_event(&self, at: DateTime<Utc>, what: &Happened) -> Result<(), PortError> {
        self.write("note an event")?.happened(at, what.clone());
        Ok(())
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, PortError> {
        let state = self.read("list events")?;
        let after = state.events.iter().filter(|event| event.id > after);
        Ok(after.take(limit as usize).cloned().collect())
    }

    async fn last_event(&self) -> Result<u64, PortError> {
        Ok(self.read("find the newest event")?.newest_event)
    }

    async fn told(&self, whom: &str) -> Result<Option<u64>, PortError> {
        Ok(self.read("find what somebody was told")?.told.get(whom).copied())
    }

    async fn put_told(&self, whom: &str, event: u64) -> Result<(), PortError> {
        self.write("note what somebody was told")?.told.insert(whom.to_owned(), event);
        Ok(())
    }

    async fn prune_events(&self, keep: u64) -> Result<u64, PortError> {
        let mut state = self.write("forget old events")?;
        let gone = state.events.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        state.events.drain(..gone);
        Ok(gone as u64)
    }
}
