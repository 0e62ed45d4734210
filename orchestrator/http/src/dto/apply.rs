//! Files in, a plan out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_engine::PlanAction;
use utoipa::ToSchema;

use super::Diagnostic;

/// A file.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The name that diagnostics show.
    pub name: String,
    /// The text: YAML or JSON.
    pub text: String,
}

/// What to apply.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The files.
    pub files: Vec<File>,
    /// Parameters of the flow that a lone template becomes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Which instance stands for which alias in that flow.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instances: BTreeMap<String, String>,
    /// The secrets of instances, by instance and field. They are sealed at once and never shown again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// The name of that flow, if it is not to be the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether to delete flows and instances that are not in the files.
    #[serde(default)]
    pub prune: bool,
    /// Whether only to plan.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was done or would be done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The plan.
    pub items: Vec<PlanItem>,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether it was done, or only planned.
    pub done: bool,
}

/// One line of a plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PlanItem {
    /// `add`, `change`, `remove` or `keep`.
    pub action: String,
    /// `template`, `instance` or `flow`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What changes in it, a line each.
    pub details: Vec<String>,
}

/// What to validate.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    /// The files.
    pub files: Vec<File>,
}

/// What is wrong with files.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Validated {
    /// Whether they could be applied as far as one can tell without parameters.
    pub valid: bool,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl From<sluice_engine::Applied> for Applied {
    fn from(applied: sluice_engine::Applied) -> Self {
        let items = applied.items.into_iter().map(|item| PlanItem {
            action: action(item.action).to_owned(),
            kind: item.kind.to_owned(),
            name: item.name,
            reason: item.reason,
            details: item.details,
        });
        let diagnostics = applied.report.iter().map(Into::into).collect();
        Self { items: items.collect(), diagnostics, done: applied.done }
    }
}

pub(super) fn action(action: PlanAction) -> &'static str {
    match action {
        PlanAction::Add => "add",
        PlanAction::Change => "change",
        PlanAction::Remove => "remove",
        PlanAction::Keep => "keep",
    }
}
