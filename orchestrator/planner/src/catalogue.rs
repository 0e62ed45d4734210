//! What is installed and configured, as far as flows are concerned.

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};
use serde_json::{Map, Value};
use sluice_domain::{Alias, Connector, InstanceName};
use sluice_protocol::ComponentName;

use crate::builtin::{self, BUILTIN};

/// What is installed and configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Every installed version of every connector, in any order.
    pub connectors: Vec<Connector>,
    /// Which version of a connector is the one in use. Where nothing is said it is the newest release.
    pub active: BTreeMap<ComponentName, Version>,
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
    /// The instances whose actions its scripts may call, by the aliases of its connector.
    pub uses: BTreeMap<Alias, InstanceName>,
    /// What access it was granted, where it is authorised and its provider told.
    pub granted: Option<BTreeSet<String>>,
}

impl Catalogue {
    /// The version of a connector to use: the active one, or the newest installed that will do where the active one does
    /// not. A release is preferred to any pre-release. What is built in has no versions to choose from.
    #[must_use]
    pub fn choose(&self, name: &str, version: Option<&VersionReq>) -> Option<&Connector> {
        if name == BUILTIN {
            return Some(builtin::connector());
        }
        self.versions(name)
            .filter(|connector| version.is_none_or(|wanted| wanted.matches(connector.version())))
            .max_by_key(|connector| {
                let active = self.active.get(connector.name()) == Some(connector.version());
                (active, connector.version().pre.is_empty(), connector.version())
            })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::connector;

    #[test]
    fn the_version_in_use_is_chosen_where_it_fits() {
        let one = |version: &str| {
            connector(
                json!({ "name": "crm", "version": version, "title": "CRM", "actions": { "a": { "title": "A" } } }),
            )
        };
        let mut catalogue = Catalogue {
            connectors: ["1.0.0", "1.1.0", "2.0.0", "3.0.0-rc.1"].map(one).into(),
            ..Catalogue::default()
        };
        let chosen = |catalogue: &Catalogue, wanted: &str| {
            let wanted = (!wanted.is_empty()).then(|| wanted.parse().unwrap());
            catalogue.choose("crm", wanted.as_ref()).map(|found| found.version().to_string())
        };
        assert_eq!(
            chosen(&catalogue, ""),
            Some("2.0.0".to_owned()),
            "the newest release, when none is in use"
        );
        catalogue.active.insert("crm".parse().unwrap(), "1.0.0".parse().unwrap());
        for (wanted, version) in [("", "1.0.0"), ("^1", "1.0.0"), ("^1.1", "1.1.0"), ("^2", "2.0.0")] {
            assert_eq!(chosen(&catalogue, wanted).as_deref(), Some(version), "{wanted}");
        }
        assert_eq!(chosen(&catalogue, "^4"), None);
    }
}
