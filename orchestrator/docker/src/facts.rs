//! What an engine says of itself, for people who want to know whether it is good enough.

use chrono::{DateTime, Utc};
use sluice_ports::PortError;

use crate::Docker;
use crate::fault::port_error;

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of runc, which starts containers, where it says that.
    pub runc: Option<String>,
    /// The time on its machine.
    pub time: Option<DateTime<Utc>>,
}

impl Docker {
    /// Asks the engine for its versions and its time.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn facts(&self) -> Result<EngineFacts, PortError> {
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
