//! What an image says of itself, without running it.

use std::collections::HashMap;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, DownloadFromContainerOptions, ListImagesOptions};
use futures_util::StreamExt;
use sluice_domain::ImageRef;
use sluice_ports::PortError;
use sluice_ports::runtime::ImageFacts;
use sluice_protocol::IMAGE_LABEL;

use crate::fault::{is_not_found, port_error};
use crate::image::digest;
use crate::{Docker, labels};

/// Where shells are.
const SHELLS: [&str; 4] = ["/bin/sh", "/bin/bash", "/busybox/sh", "/usr/bin/bash"];
/// What a container that is never started would run.
const NOTHING: &str = "/nothing";

impl Docker {
    /// What an image says of itself; nothing when it is not on this machine. Pulls and starts nothing.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn survey(&self, image: &ImageRef) -> Result<Option<ImageFacts>, PortError> {
        let name = image.as_str();
        let Some(found) = self.inspect(name).await? else { return Ok(None) };
        let digest = digest(name, &found);
        let shells = match &found.id {
            Some(id) => self.shells(id).await?,
            None => Vec::new(),
        };
        let config = found.config.unwrap_or_default();
        let mut command = config.entrypoint.unwrap_or_default();
        command.extend(config.cmd.unwrap_or_default());
        Ok(Some(ImageFacts {
            platform: platform(found.os, found.architecture),
            digest,
            descriptor: config.labels.and_then(|mut tags| tags.remove(IMAGE_LABEL)),
            user: config.user.unwrap_or_default(),
            command,
            ports: config.exposed_ports.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            shells,
        }))
    }

    /// The names of the images on this machine, with their tags.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn image_names(&self) -> Result<Vec<String>, PortError> {
        let images = self.client().await?.list_images(None::<ListImagesOptions>).await;
        let images = images.map_err(|error| port_error("list images", error))?;
        let mut names: Vec<String> = images.into_iter().flat_map(|image| image.repo_tags).collect();
        names.retain(|name| !name.starts_with("<none>"));
        names.sort();
        Ok(names)
    }

    /// The operating system and architecture of the engine, for example `linux/amd64`.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn platform(&self) -> Result<String, PortError> {
        let version = self.client().await?.version().await;
        let version = version.map_err(|error| port_error("ask the container engine's version", error))?;
        Ok(platform(version.os, version.arch))
    }

    /// The shells of an image: a container of it is made, looked into and removed, and never started.
    async fn shells(&self, id: &str) -> Result<Vec<String>, PortError> {
        let failed = |error| port_error("look into the image", error);
        let client = self.client().await?;
        let label = (labels::INSTALLATION.to_owned(), self.config.installation.clone());
        let body = ContainerCreateBody {
            image: Some(id.to_owned()),
            // An image without an entry point could not be looked into otherwise.
            entrypoint: Some(vec![NOTHING.to_owned()]),
            labels: Some(HashMap::from([label])),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let made = client.create_container(None::<CreateContainerOptions>, body).await.map_err(failed)?;
        let mut shells = Vec::new();
        for path in SHELLS {
            let options = DownloadFromContainerOptions { path: path.to_owned() };
            match client.download_from_container(&made.id, Some(options)).next().await {
                Some(Ok(_)) => shells.push(path.to_owned()),
                Some(Err(error)) if !is_not_found(&error) => {
                    self.remove_by_id(&made.id, &made.id).await?;
                    return Err(failed(error));
                }
                Some(Err(_)) | None => {}
            }
        }
        self.remove_by_id(&made.id, &made.id).await?;
        Ok(shells)
    }
}

fn platform(os: Option<String>, architecture: Option<String>) -> String {
    format!("{}/{}", os.unwrap_or_default(), architecture.unwrap_or_default())
}
