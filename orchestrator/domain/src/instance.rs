//! Instances: a connector bound to settings and secrets.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_protocol::ComponentName;

use crate::{Alias, InstanceName};

/// A connector bound to settings and secrets. The secrets themselves are elsewhere, sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// The connector it belongs to.
    pub connector: ComponentName,
    /// Plain settings.
    pub settings: Map<String, Value>,
    /// The names of the secrets it has.
    pub secret_fields: SecretFields,
    /// The revision with which each secret came, which it is sealed for: an older one that is put back does not open.
    /// Secrets from before this was noted have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_revisions: BTreeMap<String, u64>,
    /// The instances whose actions its scripts may call, by the aliases of its connector.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<Alias, InstanceName>,
    /// Counts the changes of settings and secrets, from 1.
    pub revision: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// The names of the secrets of an instance.
pub type SecretFields = BTreeSet<String>;
