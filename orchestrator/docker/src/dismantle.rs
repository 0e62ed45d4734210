//! Taking an installation away: for those that are made for a while only.

use sluice_ports::PortError;

use crate::Docker;
use crate::fault::{is_not_found, port_error};

impl Docker {
    /// Removes every container of this installation, running or not, and its network if that is its own. Idempotent.
    ///
    /// # Errors
    /// When the engine does not answer or refuses. What was not reached is still there; call again.
    pub async fn dismantle(&self) -> Result<(), PortError> {
        let client = self.client().await?;
        for id in self.container_ids().await? {
            self.remove_by_id(&id, &id).await?;
        }
        if self.config.network.is_some() {
            return Ok(());
        }
        let name = self.network_name();
        let _guard = self.network_lock.lock().await;
        let Some(id) = self.own_network(&name).await?.and_then(|network| network.id) else { return Ok(()) };
        match client.remove_network(&id).await {
            Err(error) if !is_not_found(&error) => Err(port_error(format!("remove network {name}"), error)),
            _ => Ok(()),
        }
    }
}
