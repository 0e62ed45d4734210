//! Starting a container: make it, attach to its standard input, start it, hand it the boot line.
//!
//! Standard input is attached before the start, so that a component never sees an end of file where its boot line
//! should be. Whatever fails after the container was made removes it again.

use std::time::Duration;

use bollard::Docker as Client;
use bollard::container::AttachContainerResults;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, InspectContainerOptions, StartContainerOptions,
};
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use sluice_ports::runtime::{ContainerSpec, EffectiveLimits};
use sluice_ports::{Fault, PortError, failpoint};
use tokio::io::AsyncWriteExt;

use crate::fault::{is_conflict, port_error, refuse};
use crate::list::limits_of;
use crate::{Docker, template};

/// How long the engine may take to accept the boot line.
const HAND_OVER: Duration = Duration::from_secs(10);

/// How long to wait for the engine to hang up. Engine 20.10 forgets to in one start of twenty, although the container
/// has read its line by then, so this is no error.
const HANG_UP: Duration = Duration::from_millis(500);

impl Docker {
    pub(crate) async fn start_container(
        &self,
        spec: &ContainerSpec,
        boot: &SecretString,
    ) -> Result<EffectiveLimits, PortError> {
        let image = self.resolve_image(spec).await?;
        let network = self.ensure_network().await?;
        let body = template::body(spec, &image, &network, &self.config.installation);
        let id = self.create(&spec.name, body).await?;
        let started = self.launch(&id, &spec.name, boot).await;
        if started.is_err()
            && let Err(error) = self.remove_by_id(&id, &spec.name).await
        {
            tracing::warn!(container.name = %spec.name, %error, "cannot remove a container that did not start");
        }
        started
    }

    /// Makes a container and returns its id. Removes what is left over under its name.
    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, PortError> {
        let operation = || format!("make container {name}");
        for last in [false, true] {
            // Also refuses names that are none, and those of other people's containers.
            if let Some(old) = self.find(name).await? {
                let state = old.inspect.state.unwrap_or_default();
                if state.running == Some(true) || state.restarting == Some(true) {
                    return Err(PortError::new(Fault::Conflict, operation(), "one of this name runs"));
                }
                self.remove_by_id(&old.id, name).await?;
            }
            let options = CreateContainerOptions { name: Some(name.to_owned()), ..Default::default() };
            match self.client().await?.create_container(Some(options), body.clone()).await {
                Ok(made) => {
                    for warning in made.warnings {
                        tracing::warn!(container.name = %name, warning, "the container engine warns");
                    }
                    return Ok(made.id);
                }
                Err(error) if is_conflict(&error) && !last => {}
                Err(error) => return Err(port_error(operation(), error)),
            }
        }
        Err(PortError::conflict(operation()))
    }

    /// Starts a container that was made, hands it its boot line, and says which limits it got.
    async fn launch(&self, id: &str, name: &str, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        let operation = || format!("start container {name}");
        let failed = |error| port_error(operation(), error);
        failpoint::reach("container_after_create").await?;
        let client = self.client().await?;
        let stdin = attach(client, id).await.map_err(failed)?;
        client.start_container(id, None::<StartContainerOptions>).await.map_err(failed)?;
        failpoint::reach("container_after_start").await?;
        match tokio::time::timeout(HAND_OVER, hand_over(stdin, boot)).await {
            Ok(handed) => handed.map_err(|error| PortError::new(Fault::Transient, operation(), error))?,
            Err(elapsed) => return Err(PortError::new(Fault::Transient, operation(), elapsed)),
        }
        let inspect = client.inspect_container(id, None::<InspectContainerOptions>).await.map_err(failed)?;
        limits_of(inspect.host_config.as_ref())
            .ok_or_else(|| refuse(operation(), "the engine does not tell its limits"))
    }
}

async fn attach(client: &Client, id: &str) -> Result<AttachContainerResults, bollard::errors::Error> {
    let options = AttachContainerOptions { stream: true, stdin: true, ..AttachContainerOptions::default() };
    client.attach_container(id, Some(options)).await
}

/// Writes the boot line and closes standard input. The engine hangs up when it has passed both on.
async fn hand_over(mut attached: AttachContainerResults, boot: &SecretString) -> std::io::Result<()> {
    let text = boot.expose_secret();
    attached.input.write_all(text.as_bytes()).await?;
    if !text.ends_with('\n') {
        attached.input.write_all(b"\n").await?;
    }
    attached.input.flush().await?;
    attached.input.shutdown().await?;
    let hung_up = async { while let Some(Ok(_)) = attached.output.next().await {} };
    if tokio::time::timeout(HANG_UP, hung_up).await.is_err() {
        tracing::debug!("the container engine did not hang up after the boot line");
    }
    Ok(())
}
