//! What happened, and what happens.

use futures_util::Stream;
use sluice_domain::{Event, TenantName};

use crate::{CommandError, Engine, events};

/// Events that are read at a time.
const PAGE: u32 = 100;

impl Engine {
    /// The events after a number, oldest first, at most `limit`; of a tenant those that concern it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn events(
        &self,
        mut after: u64,
        limit: u32,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<Event>, CommandError> {
        let mut found: Vec<Event> = Vec::new();
        loop {
            let page = self.core.ports.store.events(after, limit).await?;
            let Some(last) = page.last().map(|event| event.id) else { return Ok(found) };
            let whole = page.len() == limit as usize;
            found.extend(page.into_iter().filter(|event| event.is_for(tenant)));
            found.truncate(limit as usize);
            if found.len() == limit as usize || !whole {
                return Ok(found);
            }
            after = last;
        }
    }

    /// The events after a number, and those to come; with nothing named only those to come. It ends when the store cannot be
    /// read; whoever still listens asks again after the last event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn follow_events(
        &self,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Event> + Send + use<>, CommandError> {
        let after = match after {
            Some(after) => after,
            None => self.core.ports.store.last_event().await?,
        };
        let core = self.core.clone();
        // Before the first look, so that nothing falls between a look and the wait.
        let mut news = core.news.listen();
        news.mark_changed();
        let state = (core, news, after, std::collections::VecDeque::new());
        Ok(futures_util::stream::unfold(state, |(core, mut news, mut after, mut found)| async move {
            loop {
                if let Some(event) = found.pop_front() {
                    let event: Event = event;
                    after = event.id;
                    return Some((event, (core, news, after, found)));
                }
                events::wait(&mut news).await;
                found.extend(core.ports.store.events(after, PAGE).await.ok()?);
                if found.len() == PAGE as usize {
                    news.mark_changed();
                }
            }
        }))
    }
}
