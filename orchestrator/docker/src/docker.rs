//! The adapter itself: a connection to the engine, and each promise of the port in a file of its own.

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::InspectContainerOptions;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use sluice_domain::ImageRef;
use sluice_ports::runtime::{
    Container, ContainerSpec, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime, Usage,
};
use sluice_ports::{Fault, PortError};
use tokio::sync::{Mutex, OnceCell};

use crate::fault::{fault, is_not_found, port_error, refuse};
use crate::{ConnectError, DockerConfig, labels};

/// How long the engine may take to begin an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A Docker engine.
pub struct Docker {
    pub(crate) config: DockerConfig,
    client: OnceCell<bollard::Docker>,
    /// Engines before API 1.44 make a second network of the same name without a word, so we look and make in one go.
    pub(crate) network_lock: Mutex<()>,
}

impl Docker {
    /// An engine that is not spoken to yet: it may be away now and come later.
    ///
    /// # Errors
    /// [`ConnectError`] when the configuration cannot be used.
    pub fn connect(config: DockerConfig) -> Result<Self, ConnectError> {
        config.check()?;
        // Tried once for what will never work; an engine that is not there yet is no fault of the configuration.
        if let Err(error) = client_of(&config)
            && fault(&error) == Fault::Permanent
        {
            let host = config.host.clone().unwrap_or_else(|| "the local engine".to_owned());
            return Err(ConnectError::Host { host, source: error.into() });
        }
        Ok(Self { config, client: OnceCell::new(), network_lock: Mutex::new(()) })
    }

    /// The client, speaking the newest version of the API that both sides know.
    pub(crate) async fn client(&self) -> Result<&bollard::Docker, PortError> {
        let negotiate = async || client_of(&self.config)?.negotiate_version().await;
        self.client
            .get_or_try_init(negotiate)
            .await
            .map_err(|error| port_error("reach the container engine", error))
    }

    /// Inspects a container by its name, if it is there and ours. One that is there and not ours is refused: nothing
    /// here may touch what somebody else made.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Found>, PortError> {
        let operation = || format!("inspect container {name}");
        if !is_name(name) {
            return Err(refuse("inspect a container", "the name is no name of a container"));
        }
        let options = None::<InspectContainerOptions>;
        let inspect = match self.client().await?.inspect_container(name, options).await {
            Err(error) if is_not_found(&error) => return Ok(None),
            answer => answer.map_err(|error| port_error(operation(), error))?,
        };
        let tags = inspect.config.as_ref().and_then(|config| config.labels.as_ref());
        if !labels::are_ours(tags, &self.config.installation) {
            return Err(refuse(operation(), "a container of this name is there that is not ours"));
        }
        let id = inspect.id.clone().ok_or_else(|| refuse(operation(), "the engine gave no id"))?;
        Ok(Some(Found { id, inspect }))
    }
}

fn client_of(config: &DockerConfig) -> Result<bollard::Docker, bollard::errors::Error> {
    let client = match &config.host {
        None => bollard::Docker::connect_with_local_defaults(),
        Some(host) => bollard::Docker::connect_with_host(host),
    };
    Ok(client?.with_timeout(ANSWER))
}

/// A container of ours.
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) inspect: ContainerInspectResponse,
}

/// Names are part of request paths, so they hold nothing that means something there.
fn is_name(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && name.len() <= 200 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[async_trait]
impl Runtime for Docker {
    async fn prepare(&self) -> Result<Network, PortError> {
        Ok(self.prepare_network().await?.network)
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        self.describe_image(image).await
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        self.list_containers().await
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        self.start_container(spec, boot).await
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        self.stop_container(name, grace).await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        self.remove_container(name).await
    }

    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        self.container_logs(name, tail, follow).await
    }

    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        self.container_events().await
    }

    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        self.container_usage(name).await
    }

    async fn version(&self) -> Result<String, PortError> {
        let version = self.client().await?.version().await;
        let version = version.map_err(|error| port_error("ask the container engine's version", error))?;
        let name = version.platform.map_or_else(|| "Docker".to_owned(), |platform| platform.name);
        let name = if name.is_empty() { "Docker".to_owned() } else { name };
        Ok(format!("{name} {}", version.version.unwrap_or_default()).trim_end().to_owned())
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        self.engine_facts().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        for (name, fits) in
            [("sluice-a.b_1", true), ("", false), ("../x", false), ("a/b", false), ("a?b", false)]
        {
            assert_eq!(is_name(name), fits, "{name}");
        }
    }

    #[test]
    fn an_installation_has_a_plain_name() {
        for (installation, fits) in [("main", true), ("", false), ("A", false), ("a b", false)] {
            let config = DockerConfig { installation: installation.to_owned(), ..DockerConfig::default() };
            assert_eq!(Docker::connect(config).is_ok(), fits, "{installation}");
        }
    }
}
