//! Instances.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A connector bound to settings and secrets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The connector it belongs to.
    pub connector: String,
    /// Plain settings.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// The names of the secrets it has. The secrets themselves are never shown.
    pub secret_fields: Vec<String>,
    /// The instances whose actions its scripts may call, by alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instances: BTreeMap<String, String>,
    /// How its authorisation stands, where its connector uses OAuth 2.0. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<super::AuthorizationState>,
    /// Counts the changes, from 1.
    pub revision: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<sluice_domain::Instance> for Instance {
    fn from(instance: sluice_domain::Instance) -> Self {
        Self {
            name: instance.name.to_string(),
            connector: instance.connector.to_string(),
            settings: instance.settings,
            secret_fields: instance.secret_fields.into_iter().collect(),
            instances: instance
                .uses
                .iter()
                .map(|(alias, name)| (alias.to_string(), name.to_string()))
                .collect(),
            authorization: None,
            revision: instance.revision,
            created_at: instance.created_at,
            updated_at: instance.updated_at,
        }
    }
}
