//! Connectors.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An installed version of a connector.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A title for people.
    pub title: String,
    /// The image that was installed; none for a declarative connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the image was then; what really runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The file of a declarative connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Value>,
    /// Whether this is the version in use.
    pub active: bool,
    /// When it was installed.
    pub installed_at: DateTime<Utc>,
    /// What starts flows.
    pub triggers: Vec<Function>,
    /// What processes messages.
    pub actions: Vec<Function>,
    /// The whole descriptor, with the schemas of settings, secrets, configs, inputs and outputs.
    pub descriptor: Value,
}

/// A trigger or action.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Function {
    /// Its name; a step says `use: <connector or alias>/<name>`.
    pub name: String,
    /// A title for people.
    pub title: String,
}

/// What to install.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallConnector {
    /// The image, for example `sluice/http:0.1.0`.
    pub image: String,
}

impl Connector {
    pub(crate) fn new(connector: &sluice_domain::Connector, active: Option<&semver::Version>) -> Self {
        let descriptor = &connector.descriptor;
        let function = |name: &sluice_protocol::FunctionName, title: &String| Function {
            name: name.to_string(),
            title: title.clone(),
        };
        Self {
            name: descriptor.name.to_string(),
            version: descriptor.version.to_string(),
            title: descriptor.title.clone(),
            image: connector.image().map(|pinned| pinned.image.to_string()),
            digest: connector.image().map(|pinned| pinned.digest.to_string()),
            manifest: connector.manifest().and_then(|manifest| serde_json::to_value(manifest).ok()),
            active: active == Some(connector.version()),
            installed_at: connector.installed_at,
            triggers: descriptor
                .triggers
                .iter()
                .map(|(name, trigger)| function(name, &trigger.title))
                .collect(),
            actions: descriptor.actions.iter().map(|(name, action)| function(name, &action.title)).collect(),
            descriptor: serde_json::to_value(descriptor).unwrap_or_default(),
        }
    }
}
