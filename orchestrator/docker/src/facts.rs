//! What an engine says of itself.

use sluice_ports::PortError;
use sluice_ports::runtime::EngineFacts;

use crate::Docker;
use crate::fault::port_error;

impl Docker {
    pub(crate) async fn engine_facts(&self) -> Result<EngineFacts, PortError> {
        let client = self.client().await?;
        let version = client.version().await;
        let version = version.map_err(|error| port_error("ask the container engine's version", error))?;
        let info = client.info().await;
        let info = info.map_err(|error| port_error("ask the container engine how it stands", error))?;
        let runc = version.components.iter().flatten().find(|component| component.name == "runc");
        let name = version.platform.map(|platform| platform.name).filter(|name| !name.is_empty());
        Ok(EngineFacts {
            name: name.unwrap_or_else(|| "Docker".to_owned()),
            version: version.version.unwrap_or_default(),
            runc: runc.map(|component| component.version.clone()),
            time: info.system_time.and_then(|text| text.parse().ok()),
        })
    }
}
