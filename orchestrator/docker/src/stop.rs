//! Stopping a container.

use std::time::Duration;

use bollard::query_parameters::StopContainerOptions;
use sluice_ports::PortError;

use crate::Docker;
use crate::fault::{is_not_found, port_error};

/// How much longer than the grace the engine may take.
const SLACK: Duration = Duration::from_secs(30);

impl Docker {
    pub(crate) async fn stop_container(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        let Some(found) = self.find(name).await? else { return Ok(()) };
        // The engine counts whole seconds, and a grace is never cut.
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        let patient = self.client().await?.clone().with_timeout(grace.saturating_add(SLACK));
        match patient.stop_container(&found.id, Some(options)).await {
            Err(error) if !is_not_found(&error) => Err(port_error(format!("stop container {name}"), error)),
            _ => Ok(()),
        }
    }
}
