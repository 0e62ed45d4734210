//! Images: what one is now, and how a container names it so that it is that one and no other.

use std::time::Duration;

use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptions;
use futures_util::TryStreamExt;
use sluice_domain::{ImageDigest, ImageRef};
use sluice_ports::runtime::{ContainerSpec, Image};
use sluice_ports::{Fault, PortError};
use sluice_protocol::IMAGE_LABEL;

use crate::Docker;
use crate::fault::{is_not_found, port_error, refuse};

/// How long a pull may take in all.
const PULL: Duration = Duration::from_secs(600);

impl Docker {
    /// What an image is now, pulled if it is not there.
    pub(crate) async fn describe_image(&self, image: &ImageRef) -> Result<Image, PortError> {
        let name = image.as_str();
        let found = match self.inspect(name).await? {
            Some(found) => found,
            None => {
                self.pull(name).await?;
                let missing = || PortError::not_found(format!("inspect image {name}"));
                self.inspect(name).await?.ok_or_else(missing)?
            }
        };
        check(name, &found)?;
        let no_id = || refuse(format!("inspect image {name}"), "the engine gave no digest");
        let digest = digest(name, &found).ok_or_else(no_id)?;
        let tags = found.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Image { digest, descriptor: tags.get(IMAGE_LABEL).cloned() })
    }

    /// The id of the image that a container is to run. A digest is an image's id, or that of its manifest in the
    /// repository that its name tells; only the latter can be pulled again.
    pub(crate) async fn resolve_image(&self, spec: &ContainerSpec) -> Result<String, PortError> {
        let by_id = spec.digest.as_str();
        let by_repository = format!("{}@{by_id}", repository(spec.image.as_str()));
        let mut found = self.inspect(by_id).await?;
        if found.is_none() {
            found = self.inspect(&by_repository).await?;
        }
        if found.is_none() {
            self.pull(&by_repository).await?;
            found = self.inspect(&by_repository).await?;
        }
        let missing = || PortError::not_found(format!("inspect image {by_repository}"));
        let found = found.ok_or_else(missing)?;
        check(&by_repository, &found)?;
        found.id.ok_or_else(missing)
    }

    /// Inspects an image, if it is on this machine.
    pub(crate) async fn inspect(&self, name: &str) -> Result<Option<ImageInspect>, PortError> {
        match self.client().await?.inspect_image(name).await {
            Err(error) if is_not_found(&error) => Ok(None),
            answer => answer.map(Some).map_err(|error| port_error(format!("inspect image {name}"), error)),
        }
    }

    async fn pull(&self, name: &str) -> Result<(), PortError> {
        let operation = || format!("pull image {name}, which is not on this machine");
        let options =
            CreateImageOptions { from_image: Some(pullable(name)), ..CreateImageOptions::default() };
        let client = self.client().await?;
        let progress = client.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        match tokio::time::timeout(PULL, progress).await {
            Ok(pulled) => pulled.map_err(|error| port_error(operation(), error)),
            Err(elapsed) => Err(PortError::new(Fault::Transient, operation(), elapsed)),
        }
    }
}

/// Refuses images that would get more than the template gives: a declared volume is writable, on the host's disk, and
/// has no bound.
fn check(name: &str, image: &ImageInspect) -> Result<(), PortError> {
    let volumes = image.config.as_ref().and_then(|config| config.volumes.as_ref());
    if volumes.is_some_and(|volumes| !volumes.is_empty()) {
        return Err(refuse(format!("use image {name}"), "it declares a volume, and components have none"));
    }
    Ok(())
}

/// The digest in the repository that the name tells, or the image's id: a digest in another repository could not be
/// found again by the name.
pub(crate) fn digest(name: &str, image: &ImageInspect) -> Option<ImageDigest> {
    let wanted = normal(repository(name));
    let pinned = image.repo_digests.iter().flatten().find_map(|pinned| {
        let (repository, digest) = pinned.split_once('@')?;
        (normal(repository) == wanted).then(|| digest.parse().ok()).flatten()
    });
    pinned.or_else(|| image.id.as_deref()?.parse().ok())
}

/// An image's name without tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rfind(':') {
        // A colon before a slash belongs to the port of a registry.
        Some(colon) if !name[colon..].contains('/') => &name[..colon],
        _ => name,
    }
}

/// A repository as the engine writes it, which leaves out what stands for the default registry.
fn normal(repository: &str) -> &str {
    let repository = repository.strip_prefix("docker.io/").unwrap_or(repository);
    repository.strip_prefix("library/").unwrap_or(repository)
}

/// A name with a tag or digest: without one the engine would pull every tag.
fn pullable(name: &str) -> String {
    if name.len() > repository(name).len() { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_name_without_tag_and_digest() {
        for (name, expect) in [
            ("a", "a"),
            ("a/b:1", "a/b"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("localhost:5000/a:1@sha256:00", "localhost:5000/a"),
        ] {
            assert_eq!(repository(name), expect);
        }
        assert_eq!(pullable("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(pullable("a@sha256:00"), "a@sha256:00");
    }

    #[test]
    fn an_image_is_pinned_in_its_own_repository_or_by_its_id() {
        let of = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let image = ImageInspect {
            id: Some(of("a")),
            repo_digests: Some(vec![format!("other/x@{}", of("b")), format!("busybox@{}", of("c"))]),
            ..ImageInspect::default()
        };
        for (name, expect) in
            [("docker.io/library/busybox:1", of("c")), ("other/x", of("b")), ("mine/x:1", of("a"))]
        {
            assert_eq!(digest(name, &image).unwrap().as_str(), expect, "{name}");
        }
    }
}
