//! Flows: templates bound to parameters and instances.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Alias, FlowId, FlowName, InstanceName, TemplateName};

/// A flow as its operator wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// Its name.
    pub name: FlowName,
    /// The template it is made of, as asked for.
    pub template: TemplateRef,
    /// The parameters, as given.
    pub params: Value,
    /// Which instance stands for which alias.
    pub instances: BTreeMap<Alias, InstanceName>,
    /// The version that new messages start on.
    pub version: FlowVersion,
    /// What the operator wants of it.
    pub intent: Intent,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// Counts the compiled versions of a flow, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowVersion(pub u32);

impl FlowVersion {
    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for FlowVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the operator wants of a flow. The reconciler brings it about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Triggers fire and steps run. An operator moves it on.
    Run,
    /// Triggers are silent and steps take nothing new; messages wait in their lanes. An operator moves it on.
    Pause,
    /// Triggers are silent; steps finish what is under way, then the containers that nobody else needs go. An operator
    /// moves it on.
    Stop,
    /// As `Stop`, then everything of it goes. The reconciler removes the flow when nothing is under way any more. Nothing
    /// moves it on but `Discard`.
    Delete,
    /// As `Delete`, and nothing is waited for: what waits in its own lanes is thrown away, and what comes of it afterwards
    /// becomes dead letters. Nothing moves it on.
    Discard,
}

impl Intent {
    /// Whether the flow is to go for good.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Delete | Self::Discard)
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Delete => "delete",
            Self::Discard => "discard",
        })
    }
}

/// A template and the versions of it that will do: `orders-to-crm`, `orders-to-crm@^1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateRef {
    /// The template.
    pub name: TemplateName,
    /// The versions that will do; the newest of them is taken.
    pub version: semver::VersionReq,
}

impl FromStr for TemplateRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, version) = text.split_once('@').unwrap_or((text, "*"));
        let name = name.parse().map_err(|error: crate::NameError| error.to_string())?;
        if version.trim().is_empty() {
            return Err("after `@` comes a version range, for example ^1".to_owned());
        }
        let version = version
            .parse()
            .map_err(|error: semver::Error| format!("`{version}` is no version range: {error}"))?;
        Ok(Self { name, version })
    }
}

impl TryFrom<String> for TemplateRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TemplateRef> for String {
    fn from(reference: TemplateRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for TemplateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.version == semver::VersionReq::STAR {
            return write!(f, "{}", self.name);
        }
        write!(f, "{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_reference_may_name_versions() {
        for (text, expect) in [("a", "a"), ("a@^1", "a@^1"), ("a@1.2.3", "a@^1.2.3")] {
            assert_eq!(text.parse::<TemplateRef>().unwrap().to_string(), expect);
        }
        for text in ["", "A", "a@", "a@one"] {
            assert!(text.parse::<TemplateRef>().is_err(), "{text}");
        }
    }
}
