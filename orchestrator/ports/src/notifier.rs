//! Telling other programs of events.

use async_trait::async_trait;

use crate::PortError;

/// A notice to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The same for every attempt, and for no other notice.
    pub id: String,
    /// The JSON text.
    pub body: String,
}

/// Sends notices to whoever the operator named.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends a notice once. An answer of 2xx means that it was taken; after anything else it is sent again later.
    async fn send(&self, notice: &Notice) -> Result<(), PortError>;
}
