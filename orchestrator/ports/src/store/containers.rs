//! Container starts, for the gateway.

use async_trait::async_trait;
use sluice_domain::{ContainerStart, ContainerStartId};

use crate::PortError;

/// Container starts.
#[async_trait]
pub trait ContainerStore: Send + Sync {
    /// Keeps a start. Called before the container is made.
    async fn put_start(&self, start: &ContainerStart) -> Result<(), PortError>;
    /// The start whose token has this hash.
    async fn start_by_token(&self, hash: &[u8; 32]) -> Result<Option<ContainerStart>, PortError>;
    /// Forgets a start, so that its token works no longer. Idempotent.
    async fn remove_start(&self, id: ContainerStartId) -> Result<(), PortError>;
    /// All starts.
    async fn starts(&self) -> Result<Vec<ContainerStart>, PortError>;
}
