//! What a proxy asks that components go out by: who somebody is, and where they may go.
//!
//! This is the one port that an adapter calls and the engine answers. It is asked anew for every request, so a rule is
//! there as soon as what it follows from is, and gone with it.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use sluice_domain::{ContainerStartId, DeploymentId};
use sluice_protocol::Reach;

use crate::PortError;

/// Somebody who goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    /// The start of its container.
    pub start: ContainerStartId,
    /// What it serves.
    pub deployment: DeploymentId,
}

/// Where somebody wants to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// A name in lower case without the dot of the root, or an address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// The rules for those who go out.
#[async_trait]
pub trait EgressRules: Send + Sync {
    /// Who has this user name and this password; nobody when one of them is wrong, or the container is gone. Compares
    /// passwords in constant time.
    ///
    /// # Errors
    /// When it cannot be told now.
    async fn caller(&self, username: &str, password: &str) -> Result<Option<Caller>, PortError>;

    /// To which addresses a connection of `caller` to `target` may lead; nothing when no rule lets it go there, or its
    /// container is gone.
    ///
    /// # Errors
    /// When it cannot be told now.
    async fn reach(&self, caller: Caller, target: &Target) -> Result<Option<Reach>, PortError>;

    /// Fires whenever an answer of [`reach`](Self::reach) may be another one. Only a hint: some changes are told late.
    fn changes(&self) -> BoxStream<'static, ()>;

    /// Counts a request by what became of it.
    fn count(&self, outcome: &'static str);

    /// Counts connections that are open now, and bytes that went through one that ended.
    fn carry(&self, opened: i64, bytes: u64);
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
