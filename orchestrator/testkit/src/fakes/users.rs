//! The users of a broker that is not there.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ContainerStartId, DeploymentId};
use sluice_ports::broker::BrokerUsers;
use sluice_ports::{Fault, PortError};

use super::lock;

/// The users of a broker that is not there.
#[derive(Debug, Default)]
pub struct MemoryUsers {
    users: Mutex<BTreeMap<ContainerStartId, (DeploymentId, String)>>,
    down: AtomicBool,
}

impl MemoryUsers {
    /// Makes every call fail for now, or no longer.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// What a user may use, and its password.
    #[must_use]
    pub fn user(&self, start: ContainerStartId) -> Option<(DeploymentId, String)> {
        lock(&self.users).get(&start).cloned()
    }

    fn check(&self, operation: &str) -> Result<(), PortError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(PortError::new(Fault::Transient, operation, "the fake is down"));
        }
        Ok(())
    }
}

#[async_trait]
impl BrokerUsers for MemoryUsers {
    fn name(&self, start: ContainerStartId) -> String {
        start.to_string()
    }

    async fn grant(
        &self,
        start: ContainerStartId,
        deployment: DeploymentId,
        password: &SecretString,
    ) -> Result<(), PortError> {
        self.check("grant a user")?;
        lock(&self.users).insert(start, (deployment, password.expose_secret().to_owned()));
        Ok(())
    }

    async fn revoke(&self, start: ContainerStartId) -> Result<(), PortError> {
        self.check("revoke a user")?;
        lock(&self.users).remove(&start);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ContainerStartId>, PortError> {
        self.check("list users")?;
        Ok(lock(&self.users).keys().copied().collect())
    }
}
