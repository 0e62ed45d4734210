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
    /// The image that was installed.
    pub image: String,
    /// What the image was then; what really runs.
    pub digest: String,
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

impl From<&sluice_domain::Connector> for Connector {
    fn from(connector: &sluice_domain::Connector) -> Self {
        let descriptor = &connector.descriptor;
        let function = |name: &sluice_protocol::FunctionName, title: &String| Function {
            name: name.to_string(),
            title: title.clone(),
        };
        Self {
            name: descriptor.name.to_string(),
            version: descriptor.version.to_string(),
            title: descriptor.title.clone(),
            image: connector.image.to_string(),
            digest: connector.digest.to_string(),
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
