//! What an engine says of itself.

use bollard::query_parameters::InspectNetworkOptions;
use sluice_ports::PortError;
use sluice_ports::runtime::{EngineFacts, NetworkFacts};

use crate::Docker;
use crate::fault::{is_not_found, port_error};

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
            network: self.network_facts().await?,
        })
    }

    /// How the containers' network stands, if it is there.
    async fn network_facts(&self) -> Result<Option<NetworkFacts>, PortError> {
        let found = match &self.config.network {
            Some(name) => {
                let found = self.client().await?.inspect_network(name, None::<InspectNetworkOptions>).await;
                match found {
                    Err(error) if is_not_found(&error) => None,
                    found => {
                        Some(found.map_err(|error| port_error(format!("look at network {name}"), error))?)
                    }
                }
            }
            None => self.own_network(&self.network_name()).await?,
        };
        Ok(found.map(|found| NetworkFacts {
            fenced: found.internal == Some(true),
            own: self.config.network.is_none(),
            empty: found.containers.is_none_or(|containers| containers.is_empty()),
        }))
    }
}
