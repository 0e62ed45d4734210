//! Installing, listing and removing connectors.

use sluice_domain::{Connector, ImageRef, PinnedImage, Source};
use sluice_planner::BUILTIN;
use sluice_ports::{Fault, PortError};
use sluice_protocol::{ComponentName, Descriptor, DescriptorError, IMAGE_LABEL};

use crate::{CommandError, Engine};

impl Engine {
    /// Installs the connector that an image holds: reads its descriptor from the image's label and pins the image.
    ///
    /// # Errors
    /// When the image is not there, has no descriptor, or a wrong one.
    pub async fn install_connector(&self, image: &ImageRef) -> Result<Connector, CommandError> {
        let found = match self.core.ports.runtime.image(image).await {
            Ok(found) => found,
            Err(error) if error.fault == Fault::NotFound => {
                return Err(CommandError::not_found("image", image));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(text) = found.descriptor else {
            let text = format!("image {image} has no label {IMAGE_LABEL}, so it is no component");
            return Err(CommandError::bad("not_a_component", text));
        };
        let descriptor = Descriptor::from_json(&text).map_err(|error: DescriptorError| {
            CommandError::bad(
                "descriptor_invalid",
                format!("the descriptor of {image}: {}", crate::chain(&error)),
            )
        })?;
        if descriptor.name.as_str() == BUILTIN {
            let text = format!("a component cannot be named `{BUILTIN}`: that is what is built in");
            return Err(CommandError::bad("reserved_name", text));
        }
        let installed_at = self.core.ports.clock.now();
        let source = Source::Image(PinnedImage { image: image.clone(), digest: found.digest });
        let connector = Connector { descriptor, source, installed_at };
        let put = |engine: Self| async move {
            engine.core.ports.store.put_connector(&connector).await?;
            engine.core.installed.forget();
            engine.core.news.spread();
            Ok(connector)
        };
        self.to_its_end(put).await
    }

    /// All installed connectors.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn connectors(&self) -> Result<Vec<Connector>, CommandError> {
        Ok(self.core.ports.store.connectors().await?)
    }

    /// Removes a version of a connector, or all of them. Flows that run keep the image that they were compiled with.
    ///
    /// # Errors
    /// When there is none, an instance still belongs to the last version, or the version is in use and others are there.
    pub async fn remove_connector(
        &self,
        name: &ComponentName,
        version: Option<&semver::Version>,
    ) -> Result<(), CommandError> {
        let instances = self.core.ports.store.instances().await?;
        let others = self.core.ports.store.connectors().await?;
        let last = !others
            .iter()
            .any(|other| other.name() == name && version.is_some_and(|gone| gone != other.version()));
        if last && let Some(instance) = instances.iter().find(|instance| instance.connector == *name) {
            let text = format!("instance {} belongs to connector {name}; delete it first", instance.name);
            return Err(CommandError::conflict("connector_in_use", text));
        }
        let active = self.active_versions().await?.remove(name);
        if !last && version.is_some() && active.as_ref() == version {
            let text = format!(
                "version {} of {name} is in use; `sluice connector upgrade {name}` puts another one to use",
                active.map_or_else(String::new, |version| version.to_string())
            );
            return Err(CommandError::conflict("connector_active", text));
        }
        let (gone, which) = (name.clone(), version.cloned());
        let remove = |engine: Self| async move {
            let removed = engine.core.ports.store.remove_connector(&gone, which.as_ref()).await;
            engine.core.installed.forget();
            Ok(removed)
        };
        match self.to_its_end(remove).await? {
            Ok(()) => Ok(()),
            Err(PortError { fault: Fault::NotFound, .. }) => Err(CommandError::not_found("connector", name)),
            Err(error) => Err(error.into()),
        }
    }
}
