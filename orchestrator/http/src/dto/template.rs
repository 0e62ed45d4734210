//! Templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A version of a template.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A title for people.
    pub title: String,
    /// What it is for, in Markdown.
    pub description: String,
    /// A JSON Schema of the parameters; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// The instances that a deployer must bind, by alias.
    pub instances: BTreeMap<String, AskedInstance>,
    /// Its steps, as `id: use`.
    pub steps: Vec<String>,
}

/// An instance that a template asks for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AskedInstance {
    /// The connector that it must belong to.
    pub connector: String,
    /// The versions of the connector that will do; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A version of a template with the text that it was read from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TemplateVersion {
    /// The template.
    #[serde(flatten)]
    pub template: Template,
    /// The document.
    pub source: String,
}

impl From<&sluice_domain::Template> for Template {
    fn from(template: &sluice_domain::Template) -> Self {
        let asked = |binding: &sluice_domain::Binding| AskedInstance {
            connector: binding.connector.to_string(),
            version: binding.version.as_ref().map(ToString::to_string),
        };
        let step =
            |step: &sluice_domain::Step| format!("{}: {}/{}", step.id, step.uses.source, step.uses.function);
        Self {
            name: template.name.to_string(),
            version: template.version.to_string(),
            title: template.title.clone(),
            description: template.description.clone(),
            parameters: template.parameters.clone(),
            instances: template
                .instances
                .iter()
                .map(|(alias, binding)| (alias.to_string(), asked(binding)))
                .collect(),
            steps: template.steps.iter().map(step).collect(),
        }
    }
}

impl From<(sluice_domain::Template, String)> for TemplateVersion {
    fn from((template, source): (sluice_domain::Template, String)) -> Self {
        Self { template: (&template).into(), source }
    }
}
