//! What an engine says of itself.

use std::collections::HashMap;

use bollard::models::NetworkInspect;
use bollard::query_parameters::InspectNetworkOptions;
use sluice_ports::PortError;
use sluice_ports::runtime::{EngineFacts, NetworkFacts};

use crate::fault::{is_not_found, port_error};
use crate::network::is_apart;
use crate::{Docker, filter};

impl Docker {
    pub(crate) async fn engine_facts(&self) -> Result<EngineFacts, PortError> {
        let client = self.client().await?;
        let version = client.version().await;
        let version = version.map_err(|error| port_error("ask the container engine's version", error))?;
        let info = client.info().await;
        let info = info.map_err(|error| port_error("ask the container engine how it stands", error))?;
        let runc = version.components.iter().flatten().find(|component| component.name == "runc");
        let name = version.platform.as_ref().map(|platform| platform.name.clone());
        let network = self.found_network().await?;
        Ok(EngineFacts {
            name: name.filter(|name| !name.is_empty()).unwrap_or_else(|| "Docker".to_owned()),
            runc: runc.map(|component| component.version.clone()),
            bridge_filter: filter::of(network.as_ref(), &version, &info),
            network: network.map(|network| self.network_facts(&network)),
            version: version.version.unwrap_or_default(),
            time: info.system_time.and_then(|text| text.parse().ok()),
        })
    }

    /// The containers' network, if it is there.
    async fn found_network(&self) -> Result<Option<NetworkInspect>, PortError> {
        match &self.config.network {
            Some(name) => {
                let found = self.client().await?.inspect_network(name, None::<InspectNetworkOptions>).await;
                match found {
                    Err(error) if is_not_found(&error) => Ok(None),
                    found => {
                        found.map(Some).map_err(|error| port_error(format!("look at network {name}"), error))
                    }
                }
            }
            None => self.own_network(&self.network_name()).await,
        }
    }

    fn network_facts(&self, network: &NetworkInspect) -> NetworkFacts {
        NetworkFacts {
            fenced: network.internal == Some(true),
            own: self.config.network.is_none(),
            empty: network.containers.as_ref().is_none_or(HashMap::is_empty),
            apart: is_apart(network),
        }
    }
}
