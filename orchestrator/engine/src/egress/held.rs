//! Instances as rules need them: settings, and those secrets that hold a host. Kept for as long as they are unchanged.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sluice_domain::InstanceName;
use sluice_ports::PortError;

use crate::core::Core;
use crate::secrets::Shelf;
use crate::table::Snapshot;

/// What rules are made of.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    revision: Option<u64>,
    pub(super) settings: Map<String, Value>,
    secrets: BTreeMap<String, SecretString>,
    /// The secrets that were asked for.
    asked: Vec<String>,
}

impl Facts {
    /// A secret that holds a host.
    pub(super) fn secret(&self, pointer: &str) -> Option<&str> {
        Some(self.secrets.get(pointer.strip_prefix('/')?)?.expose_secret())
    }

    #[cfg(test)]
    pub(super) fn new(settings: &Value, secrets: &[(&str, &str)]) -> Self {
        let secrets = secrets.iter().map(|(name, text)| ((*name).to_owned(), SecretString::from(*text)));
        Self {
            settings: settings.as_object().cloned().unwrap_or_default(),
            secrets: secrets.collect(),
            ..Self::default()
        }
    }
}

/// The instances that were looked at last.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<InstanceName, Arc<Facts>>>);

impl Held {
    /// An instance with the secrets that these pointers name; nothing when it is not there.
    pub(super) async fn instance(
        &self,
        core: &Core,
        snapshot: &Snapshot,
        (name, pointers): (&InstanceName, &[String]),
    ) -> Result<Option<Arc<Facts>>, PortError> {
        let revision = snapshot.revisions.get(name).copied();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(facts) = known.filter(|facts| facts.revision == revision && facts.asked == pointers) {
            return Ok(Some(facts));
        }
        let Some(stored) = core.ports.store.instance(name).await? else { return Ok(None) };
        let mut secrets = BTreeMap::new();
        for field in pointers.iter().filter_map(|pointer| pointer.strip_prefix('/')) {
            let Some(sealed) = stored.secrets.get(field) else { continue };
            secrets.insert(
                field.to_owned(),
                Shelf::of(&stored.instance, field).open(core, (name, field), sealed)?,
            );
        }
        let facts = Facts {
            // Of what was read, which may be newer than the snapshot; then it is read once more.
            revision: Some(stored.instance.revision),
            settings: stored.instance.settings,
            secrets,
            asked: pointers.to_vec(),
        };
        let facts = Arc::new(facts);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| snapshot.revisions.contains_key(name));
        all.insert(name.clone(), Arc::clone(&facts));
        Ok(Some(facts))
    }
}
