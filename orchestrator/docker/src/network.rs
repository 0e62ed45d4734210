//! The network of the containers.
//!
//! Our own one is a bridge with inter-container communication off: a component reaches the host's address on it (broker,
//! gateway) and what lies beyond, but no other component.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use sluice_ports::runtime::Network;
use sluice_ports::{Fault, PortError};

use crate::fault::{is_conflict, is_not_found, port_error, refuse};
use crate::{Docker, labels};

/// The option of Docker's bridge driver that keeps containers apart.
const ISOLATE: &str = "com.docker.network.bridge.enable_icc";

/// A network with the id by which containers are put on it: names need not be unique.
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) network: Network,
}

impl Docker {
    /// The network of the containers, made if it is ours to make.
    pub(crate) async fn ensure_network(&self) -> Result<Prepared, PortError> {
        if let Some(name) = &self.config.network {
            return self.foreign_network(name).await;
        }
        let name = self.network_name();
        let _guard = self.network_lock.lock().await;
        if let Some(found) = self.own_network(&name).await? {
            return prepared(&name, found);
        }
        self.make_network(&name).await?;
        let found = self.own_network(&name).await?;
        let found =
            found.ok_or_else(|| PortError::new(Fault::Transient, operation(&name), "it went away"))?;
        prepared(&name, found)
    }

    /// The name of our own network.
    pub(crate) fn network_name(&self) -> String {
        format!("sluice-{}", self.config.installation)
    }

    async fn foreign_network(&self, name: &str) -> Result<Prepared, PortError> {
        let client = self.client().await?;
        let found = client.inspect_network(name, None::<InspectNetworkOptions>).await;
        prepared(name, found.map_err(|error| port_error(operation(name), error))?)
    }

    /// Our network, if it is there. One of the same name without our label is somebody else's and refused.
    pub(crate) async fn own_network(&self, name: &str) -> Result<Option<NetworkInspect>, PortError> {
        let client = self.client().await?;
        let filters = HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
        let options = ListNetworksOptions { filters: Some(filters) };
        let listed = client.list_networks(Some(options)).await;
        let listed = listed.map_err(|error| port_error(operation(name), error))?;
        // The engine's filter finds every name that holds ours.
        let Some(listed) = listed.into_iter().find(|network| network.name.as_deref() == Some(name)) else {
            return Ok(None);
        };
        if !labels::are_ours(listed.labels.as_ref(), &self.config.installation) {
            return Err(refuse(operation(name), "a network of this name is there that is not ours"));
        }
        let id = listed.id.unwrap_or_default();
        match client.inspect_network(&id, None::<InspectNetworkOptions>).await {
            Err(error) if is_not_found(&error) => Ok(None),
            answer => answer.map(Some).map_err(|error| port_error(operation(name), error)),
        }
    }

    async fn make_network(&self, name: &str) -> Result<(), PortError> {
        let label = (labels::INSTALLATION.to_owned(), self.config.installation.clone());
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            attachable: Some(false),
            options: Some(HashMap::from([(ISOLATE.to_owned(), "false".to_owned())])),
            labels: Some(HashMap::from([label])),
            ..NetworkCreateRequest::default()
        };
        match self.client().await?.create_network(request).await {
            Err(error) if !is_conflict(&error) => Err(port_error(format!("make network {name}"), error)),
            _ => Ok(()),
        }
    }
}

fn operation(name: &str) -> String {
    format!("prepare network {name}")
}

fn prepared(name: &str, found: NetworkInspect) -> Result<Prepared, PortError> {
    let missing = |what: &str| refuse(operation(name), format!("the engine names no {what} of it"));
    let host = gateway(&found).ok_or_else(|| missing("gateway"))?;
    let id = found.id.ok_or_else(|| missing("id"))?;
    Ok(Prepared { id, network: Network { name: name.to_owned(), host } })
}

/// The host's address on a network, of version 4 where there is one.
fn gateway(network: &NetworkInspect) -> Option<IpAddr> {
    let configs = network.ipam.as_ref()?.config.as_ref()?;
    let gateways = configs.iter().filter_map(|config| {
        // Some engines write the length of the prefix behind it.
        config.gateway.as_deref()?.split('/').next()?.parse::<IpAddr>().ok()
    });
    gateways.min_by_key(IpAddr::is_ipv6)
}
