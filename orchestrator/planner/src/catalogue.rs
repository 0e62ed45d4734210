//! What is installed and configured, as far as flows are concerned.

use std::collections::{BTreeMap, BTreeSet};

use semver::VersionReq;
use serde_json::{Map, Value};
use sluice_domain::{Connector, InstanceName};
use sluice_protocol::ComponentName;

use crate::builtin::{self, BUILTIN};

/// What is installed and configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Every installed version of every connector, in any order.
    pub connectors: Vec<Connector>,
    /// The instances by name.
    pub instances: BTreeMap<InstanceName, InstanceFacts>,
}

/// What a flow needs to know about an instance. The secrets themselves are elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceFacts {
    /// The connector it belongs to.
    pub connector: ComponentName,
    /// Its plain settings.
    pub settings: Map<String, Value>,
    /// The names of the secrets it has.
    pub secret_fields: BTreeSet<String>,
    /// What access it was granted, where it is authorised and its provider told.
    pub granted: Option<BTreeSet<String>>,
}

impl Catalogue {
    /// The newest installed version of a connector that will do. Without a requirement a release is preferred to any
    /// pre-release. What is built in has no versions to choose from.
    #[must_use]
    pub fn newest(&self, name: &str, version: Option<&VersionReq>) -> Option<&Connector> {
        if name == BUILTIN {
            return Some(builtin::connector());
        }
        self.versions(name)
            .filter(|connector| version.is_none_or(|wanted| wanted.matches(connector.version())))
            .max_by_key(|connector| (connector.version().pre.is_empty(), connector.version()))
    }

    /// The installed versions of a connector.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Connector> {
        self.connectors.iter().filter(move |connector| connector.name().as_str() == name)
    }

    /// The names of the installed connectors, each once.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let installed = self.connectors.iter().map(|connector| connector.name().as_str());
        installed.chain([BUILTIN]).collect()
    }
}
