//! Removing a container.

use bollard::query_parameters::RemoveContainerOptions;
use sluice_ports::PortError;

use crate::Docker;
use crate::fault::{is_conflict, is_not_found, port_error};

impl Docker {
    pub(crate) async fn remove_container(&self, name: &str) -> Result<(), PortError> {
        match self.find(name).await? {
            Some(found) => self.remove_by_id(&found.id, name).await,
            None => Ok(()),
        }
    }

    /// Removes a container with its anonymous volumes. A conflict means that it is being removed already.
    pub(crate) async fn remove_by_id(&self, id: &str, name: &str) -> Result<(), PortError> {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        match self.client().await?.remove_container(id, Some(options)).await {
            Err(error) if !is_not_found(&error) && !is_conflict(&error) => {
                Err(port_error(format!("remove container {name}"), error))
            }
            _ => Ok(()),
        }
    }
}
