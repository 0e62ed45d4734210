//! The network of the containers.
//!
//! Our own one is a bridge without a route out and with inter-container communication off: a component reaches the host's
//! address on it (broker, gateway, the proxy that it goes out by) and nothing else, no other component either.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use sluice_ports::runtime::Network;
use sluice_ports::{Fault, PortError};
use tracing::{info, warn};

use crate::fault::{is_conflict, is_not_found, port_error, refuse};
use crate::{Docker, filter, labels};

/// The option of Docker's bridge driver that keeps containers apart.
const ISOLATE: &str = "com.docker.network.bridge.enable_icc";
/// The one that says what the bridge is called on the machine.
const BRIDGE: &str = "com.docker.network.bridge.name";

/// Under this name the driver finds the address that the default route of containers leads to.
const ROUTE: &str = "DefaultGatewayIPv4";

/// A network with the id by which containers are put on it: names need not be unique.
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) network: Network,
}

impl Docker {
    /// The network of the containers. Our own one is made anew where it is not fenced as it is to be, if nothing is on
    /// it: only before anybody listens on it, as its address may be another then.
    pub(crate) async fn prepare_network(&self) -> Result<Prepared, PortError> {
        let found = self.ensure_network().await?;
        let Network { fenced, own, name, .. } = &found.network;
        if !own || *fenced != self.config.open {
            return Ok(found);
        }
        let removed = {
            let _guard = self.network_lock.lock().await;
            // The engine refuses where a container is on it.
            self.client().await?.remove_network(&found.id).await
        };
        if let Err(error) = removed
            && !is_not_found(&error)
        {
            let now = if *fenced { "has no route out" } else { "has a route out" };
            warn!(network = name, %error, "the containers' network {now} and cannot be made anew: stop what is on it first");
            return Ok(found);
        }
        info!(network = name, fenced = !self.config.open, "the containers' network is made anew");
        self.ensure_network().await
    }

    /// The network of the containers, made if it is ours to make.
    pub(crate) async fn ensure_network(&self) -> Result<Prepared, PortError> {
        if let Some(name) = &self.config.network {
            let mut found = self.foreign_network(name).await?;
            found.network.own = false;
            return Ok(found);
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

    /// Makes our network. A fenced one is made twice: of some engines (20.10) it has a default route all the same, to the
    /// machine's address on it, by which containers would reach whatever else is the machine's. So that route leads to an
    /// address of the subnet that nobody gets, and to know that one the subnet has to be known, which the engine chooses.
    async fn make_network(&self, name: &str) -> Result<(), PortError> {
        self.create_network(name, None).await?;
        if self.config.open {
            return Ok(());
        }
        let Some(made) = self.own_network(name).await? else { return Ok(()) };
        let Some(dead_end) = dead_end(&made) else { return Ok(()) };
        let id = made.id.unwrap_or_default();
        let removed = self.client().await?.remove_network(&id).await;
        if let Err(error) = removed
            && !is_not_found(&error)
        {
            return Err(port_error(format!("make network {name}"), error));
        }
        self.create_network(name, Some(dead_end)).await
    }

    async fn create_network(&self, name: &str, ipam: Option<Ipam>) -> Result<(), PortError> {
        let label = (labels::INSTALLATION.to_owned(), self.config.installation.clone());
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            attachable: Some(false),
            internal: Some(!self.config.open),
            // The engine may have it on for every network. What keeps containers apart is sure of version 4 only.
            enable_ipv6: Some(false),
            options: Some(HashMap::from([
                (ISOLATE.to_owned(), "false".to_owned()),
                (BRIDGE.to_owned(), bridge(&self.config.installation)),
            ])),
            labels: Some(HashMap::from([label])),
            ipam,
            ..NetworkCreateRequest::default()
        };
        match self.client().await?.create_network(request).await {
            Err(error) if !is_conflict(&error) => Err(port_error(format!("make network {name}"), error)),
            _ => Ok(()),
        }
    }
}

/// The addresses of a network as they are, with a default route to its last one, which nobody gets. Nothing where they are
/// none of version 4.
fn dead_end(network: &NetworkInspect) -> Option<Ipam> {
    let found = network.ipam.as_ref()?.config.as_ref()?.iter().find_map(|config| {
        let (subnet, gateway) = (config.subnet.clone()?, config.gateway.clone()?);
        Some((last_of(&subnet)?, subnet, gateway))
    });
    let (last, subnet, gateway) = found?;
    let config = IpamConfig {
        subnet: Some(subnet),
        gateway: Some(gateway),
        auxiliary_addresses: Some(HashMap::from([(ROUTE.to_owned(), last.to_string())])),
        ..IpamConfig::default()
    };
    Some(Ipam { config: Some(vec![config]), ..Ipam::default() })
}

/// The first address of a subnet and the length of its prefix.
fn range(subnet: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = subnet.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

/// The last address of a subnet that a host may have.
fn last_of(subnet: &str) -> Option<Ipv4Addr> {
    let (IpAddr::V4(address), bits) = range(subnet)? else { return None };
    if bits > 29 {
        return None;
    }
    let hosts = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
    Some(Ipv4Addr::from((u32::from(address) | hosts) - 1))
}

/// What the bridge of an installation is called: at most 15 characters, and the same every time, for the rules of firewalls.
fn bridge(installation: &str) -> String {
    // FNV-1a.
    let hash = installation
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("slc-{hash:08x}")
}

fn operation(name: &str) -> String {
    format!("prepare network {name}")
}

fn prepared(name: &str, found: NetworkInspect) -> Result<Prepared, PortError> {
    let missing = |what: &str| refuse(operation(name), format!("the engine names no {what} of it"));
    let host = gateway(&found).ok_or_else(|| missing("gateway"))?;
    let id = found.id.ok_or_else(|| missing("id"))?;
    let fenced = found.internal == Some(true);
    let subnets = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let subnets = subnets.into_iter().filter_map(|config| range(&config.subnet?)).collect();
    Ok(Prepared { id, network: Network { name: name.to_owned(), host, subnets, fenced, own: true } })
}

/// Whether the engine is told to keep the containers on a network apart. Of version 6 it does so by rules of their own,
/// which some engines make and some do not.
pub(crate) fn is_apart(network: &NetworkInspect) -> bool {
    let isolated = network.options.as_ref().and_then(|options| options.get(ISOLATE));
    isolated.is_some_and(|enabled| enabled == "false") && network.enable_ipv6 != Some(true)
}

/// The bridge of a network on the engine's machine: named by who made it, or by the engine.
pub(crate) fn bridge_of(network: &NetworkInspect) -> Option<String> {
    let named = network.options.as_ref().and_then(|options| options.get(BRIDGE));
    named.cloned().or_else(|| Some(format!("br-{}", network.id.as_ref()?.get(..12)?)))
}

/// Whether the machine's packet filter sees what goes from container to container of an installation, if their bridge is
/// on this machine.
#[must_use]
pub fn bridge_filter(installation: &str) -> Option<bool> {
    filter::here(Path::new("/"), &bridge(installation))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_of_a_subnet_is_found() {
        for (subnet, expect) in [
            ("172.18.0.0/16", Some("172.18.255.254")),
            ("192.168.32.0/20", Some("192.168.47.254")),
            ("10.0.0.0/24", Some("10.0.0.254")),
            ("10.0.0.0/30", None),
            ("fd00::/64", None),
            ("x", None),
        ] {
            assert_eq!(last_of(subnet), expect.map(|text| text.parse().unwrap()), "{subnet}");
        }
    }

    #[test]
    fn each_installation_has_a_bridge_of_its_own_with_a_short_name() {
        assert_eq!(bridge("sluice"), bridge("sluice"));
        assert_ne!(bridge("sluice"), bridge("sluice2"));
        assert_eq!(bridge(&"x".repeat(32)).len(), 12);
    }
}
