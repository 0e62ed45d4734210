//! Dead letters.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{DeadLetter, DeadLetterId, DeadLetterState, FlowId};

use crate::PortError;

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// Only of these flows.
    pub flows: Option<Vec<FlowId>>,
    /// Only those that stand like this.
    pub state: Option<DeadLetterState>,
    /// Only those older than this one (the last of the page before).
    pub before: Option<(DateTime<Utc>, DeadLetterId)>,
    /// At most so many: 1 to 1000.
    pub limit: u32,
}

/// Dead letters.
#[async_trait]
pub trait DeadLetterStore: Send + Sync {
    /// Keeps dead letters. One whose id is known already stays as it is.
    async fn put_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), PortError>;
    /// Dead letters, newest first.
    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>, PortError>;
    /// One dead letter.
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, PortError>;
    /// Changes the body of a waiting dead letter. Conflict when it does not wait any more, not found when it is not there.
    async fn edit_dead_letter(
        &self,
        id: DeadLetterId,
        body: &str,
        now: DateTime<Utc>,
    ) -> Result<DeadLetter, PortError>;
    /// Moves a waiting dead letter on. `Ok(None)` when it had been moved on before (pressing twice does nothing).
    /// Not found when it is not there.
    async fn move_dead_letter(
        &self,
        id: DeadLetterId,
        to: DeadLetterState,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetter>, PortError>;
    /// Counts the dead letters that wait.
    async fn count_waiting(&self) -> Result<u64, PortError>;
}
