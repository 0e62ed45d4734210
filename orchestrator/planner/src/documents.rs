//! The documents that files hold, already parsed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sluice_declarative::Manifest;
use sluice_domain::{
    Alias, Connector, FlowName, InstanceName, Owned, Source, Template, TemplateRef, TenantName,
};
use sluice_protocol::ComponentName;

use crate::{InstanceFacts, Places};

/// The documents of some files. A document with faults is here too as far as it could be read; the report that came
/// with it has the errors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    /// The templates.
    pub templates: Vec<TemplateDoc>,
    /// The instances.
    pub instances: Vec<InstanceDoc>,
    /// The flows.
    pub flows: Vec<FlowDoc>,
    /// The declarative connectors.
    pub connectors: Vec<ConnectorDoc>,
}

/// A declarative connector and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorDoc {
    /// The connector.
    pub manifest: Manifest,
    /// Where its values stand in the file.
    pub places: Places,
    /// The file.
    pub file: String,
}

impl ConnectorDoc {
    /// The connector as if it were installed at this time.
    #[must_use]
    pub fn connector(&self, installed_at: DateTime<Utc>) -> Connector {
        Connector {
            descriptor: self.manifest.descriptor(),
            source: Source::Declaration { manifest: Box::new(self.manifest.clone()) },
            installed_at,
        }
    }
}

/// A template and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateDoc {
    /// The template.
    pub template: Template,
    /// The text of this document alone; reading it again gives the same template.
    pub source: String,
    /// Where its values stand in the file.
    pub places: Places,
    /// The file.
    pub file: String,
    /// What of it could not be read.
    pub(crate) gaps: Gaps,
}

/// An instance and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceDoc {
    /// Its name.
    pub name: InstanceName,
    /// The connector it belongs to.
    pub connector: ComponentName,
    /// Plain settings.
    pub settings: Map<String, Value>,
    /// Where each secret comes from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The instances whose actions its scripts may call, by the aliases of its connector.
    pub instances: BTreeMap<Alias, InstanceName>,
    /// Where its values stand in the file.
    pub places: Places,
    /// The file.
    pub file: String,
}

impl InstanceDoc {
    /// What a flow needs to know about it. What it was granted is not in the file.
    #[must_use]
    pub fn facts(&self) -> InstanceFacts {
        InstanceFacts {
            connector: self.connector.clone(),
            settings: self.settings.clone(),
            secret_fields: self.secrets.keys().cloned().collect(),
            uses: self.instances.clone(),
            granted: None,
        }
    }
}

/// Where a secret comes from. Whoever applies the file reads it; files never hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, relative to the file that names it.
    File(String),
}

/// A flow and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowDoc {
    /// Its name.
    pub name: FlowName,
    /// The template it is made of.
    pub template: TemplateRef,
    /// The parameters, an object.
    pub params: Value,
    /// Which instance stands for which alias.
    pub instances: BTreeMap<Alias, InstanceName>,
    /// Where its values stand in the file.
    pub places: Places,
    /// The file.
    pub file: String,
}

/// What of a template could not be read, so that nothing is said to be missing that only has a fault of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// Where each step of the template stands in the list of the file.
    pub(crate) positions: Vec<usize>,
    /// Ids of steps that are not in the template.
    pub(crate) steps: BTreeSet<String>,
    /// Whether anything is missing that references may mean.
    pub(crate) any: bool,
}

impl Documents {
    /// The documents as a tenant means them: every name of an instance, a template and a flow is the tenant's own. A
    /// template that the files of a flow do not hold may be the installation's too, which who looks it up decides.
    #[must_use]
    pub fn within(mut self, tenant: Option<&TenantName>) -> Self {
        for doc in &mut self.templates {
            own(&mut doc.template.name, tenant);
        }
        for doc in &mut self.instances {
            own(&mut doc.name, tenant);
            doc.instances.values_mut().for_each(|name| own(name, tenant));
        }
        for doc in &mut self.flows {
            own(&mut doc.name, tenant);
            own(&mut doc.template.name, tenant);
            doc.instances.values_mut().for_each(|name| own(name, tenant));
        }
        self
    }
}

/// What is read has no tenant, so it always becomes the tenant's.
fn own<T: Owned>(name: &mut T, tenant: Option<&TenantName>) {
    if let Some(owned) = name.within(tenant) {
        *name = owned;
    }
}

impl TemplateDoc {
    /// The JSON Pointer of a field of a step, given by its position in the template.
    pub(crate) fn pointer(&self, step: usize, field: &str) -> String {
        let position = self.gaps.positions.get(step).copied().unwrap_or(step);
        format!("/steps/{position}{field}")
    }
}
