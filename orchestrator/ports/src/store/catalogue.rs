//! Connectors, instances and templates.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{Connector, Happened, Instance, InstanceName, Template, TemplateName};
use sluice_protocol::ComponentName;

use crate::{PortError, SealedSecret};

/// An instance and its sealed secrets by field.
#[derive(Clone, PartialEq)]
pub struct StoredInstance {
    /// The instance.
    pub instance: Instance,
    /// Its secrets.
    pub secrets: BTreeMap<String, SealedSecret>,
}

/// That a version of a connector came into use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The connector.
    pub connector: ComponentName,
    /// The version.
    pub version: semver::Version,
    /// When, in whole milliseconds.
    pub at: DateTime<Utc>,
}

impl Release {
    /// The event that tells of it.
    #[must_use]
    pub fn event(&self, before: Option<semver::Version>) -> Happened {
        let (connector, version) = (self.connector.clone(), self.version.clone());
        Happened::ConnectorVersion { connector, before, version }
    }
}

/// What flows are made of.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Installs a connector version, replacing what was installed under the same name and version. The first version of
    /// a connector is in use from then on, later ones are not before they are released.
    async fn put_connector(&self, connector: &Connector) -> Result<(), PortError>;
    /// All installed connectors, by name, then by version, newest first.
    async fn connectors(&self) -> Result<Vec<Connector>, PortError>;
    /// Puts an installed version of a connector to use. Not found when it is not installed; nothing happens when it is
    /// in use already.
    async fn release_connector(&self, release: &Release) -> Result<(), PortError>;
    /// Which versions came into use, in that order. The last one of a connector is in use.
    async fn releases(&self) -> Result<Vec<Release>, PortError>;
    /// Removes a version of a connector, or all of them, with its releases. Not found when there is none.
    async fn remove_connector(
        &self,
        name: &ComponentName,
        version: Option<&semver::Version>,
    ) -> Result<(), PortError>;

    /// Makes or replaces an instance.
    async fn put_instance(&self, instance: &StoredInstance) -> Result<(), PortError>;
    /// One instance.
    async fn instance(&self, name: &InstanceName) -> Result<Option<StoredInstance>, PortError>;
    /// All instances, by name, without their secrets.
    async fn instances(&self) -> Result<Vec<Instance>, PortError>;
    /// Deletes an instance with its secrets. Not found when there is none.
    async fn remove_instance(&self, name: &InstanceName) -> Result<(), PortError>;

    /// Stores a template version. The same content again is fine; other content under a version that is there is a
    /// conflict, because a published version never changes.
    async fn put_template(&self, template: &Template, source: &str) -> Result<(), PortError>;
    /// All template versions, by name, then by version, newest first.
    async fn templates(&self) -> Result<Vec<Template>, PortError>;
    /// All versions of one template, newest first, each with the text it was read from.
    async fn template_versions(&self, name: &TemplateName) -> Result<Vec<(Template, String)>, PortError>;
    /// Removes a template version. Not found when there is none.
    async fn remove_template(&self, name: &TemplateName, version: &semver::Version) -> Result<(), PortError>;
}
