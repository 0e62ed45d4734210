//! What the broker says of itself, for people who want to know whether it is good enough.

use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use reqwest::Method;
use serde::Deserialize;
use sluice_ports::PortError;

use crate::config::BrokerUrl;
use crate::management::{Management, unreadable};

/// What the broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerFacts {
    /// Its version.
    pub version: String,
    /// Its nodes.
    pub nodes: Vec<NodeFacts>,
    /// The heartbeats of the connections to the virtual host, in seconds; 0 for none.
    pub heartbeats: Vec<u64>,
}

/// A node of the broker's cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Memory in bytes above which it blocks publishers.
    #[serde(default, rename = "mem_limit")]
    pub memory_limit: u64,
    /// Free disk space in bytes below which it blocks publishers.
    #[serde(default, rename = "disk_free_limit")]
    pub disk_limit: u64,
    /// Whether it is short of memory.
    #[serde(default, rename = "mem_alarm")]
    pub memory_alarm: bool,
    /// Whether it is short of disk space.
    #[serde(default, rename = "disk_free_alarm")]
    pub disk_alarm: bool,
}

impl NodeFacts {
    /// What it is short of, a sentence each.
    pub fn alarms(&self) -> impl Iterator<Item = String> {
        let alarms = [(self.memory_alarm, "memory"), (self.disk_alarm, "disk")];
        let text = |what| format!("the broker's node {} is short of {what}", self.name);
        alarms.into_iter().filter(|(short, _)| *short).map(move |(_, what)| text(what))
    }
}

#[derive(Deserialize)]
struct Version {
    rabbitmq_version: String,
}

#[derive(Deserialize)]
struct Listed {
    // One that is just being made has none yet.
    timeout: Option<u64>,
}

impl Management {
    /// Asks the broker for its version, its nodes and the connections to the virtual host.
    ///
    /// # Errors
    /// When the management API does not answer.
    pub async fn facts(&self) -> Result<BrokerFacts, PortError> {
        let body = self.call(Method::GET, &["overview"], None).await?;
        let Version { rabbitmq_version } = serde_json::from_slice(&body).map_err(unreadable)?;
        let path = ["vhosts", self.vhost(), "connections"];
        let body = self.ask(&path, &[("columns", "timeout")]).await?;
        let connections: Vec<Listed> = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(BrokerFacts {
            version: rabbitmq_version,
            nodes: self.node_facts().await?,
            heartbeats: connections.iter().filter_map(|connection| connection.timeout).collect(),
        })
    }

    pub(crate) async fn node_facts(&self) -> Result<Vec<NodeFacts>, PortError> {
        let body = self.call(Method::GET, &["nodes"], None).await?;
        serde_json::from_slice(&body).map_err(unreadable)
    }
}

/// Whether the user of a URL may connect, tried once.
pub async fn may_connect(url: &BrokerUrl, patience: Duration) -> bool {
    let options = ConnectionProperties::default().with_connection_name("sluice doctor".into());
    match tokio::time::timeout(patience, Connection::connect_uri(url.to_lapin(), options)).await {
        Ok(Ok(connection)) => {
            // It may be gone already, which is as good.
            connection.close(200, "bye".into()).await.ok();
            true
        }
        Ok(Err(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_tells_what_it_is_short_of() {
        let read = |text: &str| serde_json::from_str::<NodeFacts>(text).unwrap().alarms().collect::<Vec<_>>();
        assert!(read(r#"{"name":"rabbit@a"}"#).is_empty());
        let both = read(r#"{"name":"rabbit@a","mem_alarm":true,"disk_free_alarm":true}"#);
        assert_eq!(both[1], "the broker's node rabbit@a is short of disk");
    }
}
