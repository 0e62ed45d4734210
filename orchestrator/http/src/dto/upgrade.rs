//! Putting another version of a connector to use.

use serde::{Deserialize, Serialize};
use sluice_engine::UpgradeTo;
use utoipa::ToSchema;

use super::Diagnostic;

/// What to put to use.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeConnector {
    /// The version; the newest installed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether to go back to the version that was in use before, instead of naming one.
    #[serde(default)]
    pub rollback: bool,
    /// Whether only to plan.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether to do it even if flows or instances do not fit the version. Such flows stay as they are.
    #[serde(default)]
    pub force: bool,
}

/// What another version of a connector changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectorUpgrade {
    /// The connector.
    pub connector: String,
    /// The version that was in use.
    pub from: String,
    /// The version to use.
    pub to: String,
    /// How they differ, what breaks first.
    pub changes: Vec<ConnectorChange>,
    /// The instances of the connector.
    pub instances: Vec<UpgradedInstance>,
    /// The flows that use it.
    pub flows: Vec<UpgradedFlow>,
    /// Whether it was done, or only planned.
    pub done: bool,
}

/// A way in which two versions of a connector differ.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectorChange {
    /// `add`, `change` or `remove`.
    pub change: String,
    /// Whether what works with the version before may not work with the other one.
    pub breaking: bool,
    /// What differs, for example `settings` or `actions.push.input`.
    pub subject: String,
    /// How, in one sentence.
    pub reason: String,
}

/// An instance held against another version of its connector.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UpgradedInstance {
    /// Its name.
    pub name: String,
    /// What does not fit, a sentence each.
    pub faults: Vec<String>,
}

/// What becomes of a flow with another version of a connector.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UpgradedFlow {
    /// Its name.
    pub name: String,
    /// `change` or `keep`.
    pub action: String,
    /// What changes in it, a line each.
    pub details: Vec<String>,
    /// Why it does not work with the version; such a flow stays as it is.
    pub diagnostics: Vec<Diagnostic>,
}

impl UpgradeConnector {
    pub(crate) fn target(&self) -> Result<UpgradeTo, String> {
        match (&self.version, self.rollback) {
            (Some(_), true) => {
                Err("`rollback`: it names a version itself, so leave `version` out".to_owned())
            }
            (None, true) => Ok(UpgradeTo::Before),
            (None, false) => Ok(UpgradeTo::Newest),
            (Some(text), false) => {
                let version = text.parse().map_err(|error| format!("`version`: {error}"))?;
                Ok(UpgradeTo::Version(version))
            }
        }
    }
}

impl From<sluice_engine::Upgrade> for ConnectorUpgrade {
    fn from(upgrade: sluice_engine::Upgrade) -> Self {
        let changes = upgrade.changes.into_iter().map(|found| ConnectorChange {
            change: change(found.change).to_owned(),
            breaking: found.breaking,
            subject: found.subject,
            reason: found.reason,
        });
        let instances = upgrade.instances.into_iter();
        let instances = instances
            .map(|one| UpgradedInstance { name: one.name.to_string(), faults: one.faults })
            .collect();
        let flows = upgrade.flows.into_iter().map(|flow| UpgradedFlow {
            name: flow.name.to_string(),
            action: super::apply::action(flow.action).to_owned(),
            details: flow.details,
            diagnostics: flow.report.iter().map(Into::into).collect(),
        });
        Self {
            connector: upgrade.connector.to_string(),
            from: upgrade.from.to_string(),
            to: upgrade.to.to_string(),
            changes: changes.collect(),
            instances,
            flows: flows.collect(),
            done: upgrade.done,
        }
    }
}

fn change(change: sluice_planner::Change) -> &'static str {
    match change {
        sluice_planner::Change::Add => "add",
        sluice_planner::Change::Change => "change",
        sluice_planner::Change::Remove => "remove",
    }
}
