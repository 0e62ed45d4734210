//! Templates: versioned, parametrised descriptions of flows, as their authors write them, already parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_protocol::{ComponentName, FunctionName, Port};

use crate::{Alias, Delay, Limits, RetryPolicy, Schedule, StepId, TemplateName};

/// A flow template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: TemplateName,
    /// Its version (Semantic Versioning 2.0.0).
    pub version: semver::Version,
    /// A title for people.
    pub title: String,
    /// What it is for, in Markdown.
    pub description: String,
    /// A JSON Schema object for the parameters.
    pub parameters: Option<Value>,
    /// The instances that a deployer must bind.
    pub instances: BTreeMap<Alias, Binding>,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
}

/// An instance that a template asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The connector that the instance must belong to.
    pub connector: ComponentName,
    /// The versions of the connector that will do; any when absent.
    pub version: Option<semver::VersionReq>,
}

/// One step of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// The function that it uses.
    pub uses: Use,
    /// The function's config.
    pub config: Value,
    /// The steps whose messages it takes.
    pub after: Vec<After>,
    /// What happens to a message on its way into the step.
    pub gate: Gate,
    /// When the step ticks, for polling triggers.
    pub schedule: Option<Schedule>,
    /// When failed inputs are tried again.
    pub retry: RetryPolicy,
    /// How long one run may take.
    pub timeout: Delay,
    /// How many runs may go on at a time: 1 keeps the order of messages.
    pub concurrency: u32,
    /// Which steps may share its containers.
    pub isolation: Isolation,
    /// What its containers may use.
    pub limits: Limits,
    /// What happens to an input that failed for good.
    pub on_error: ErrorRoute,
}

/// The function of a step: `<alias or connector>/<function>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The alias of an instance, or the name of a connector that needs none.
    pub source: Alias,
    /// The trigger or action.
    pub function: FunctionName,
}

/// A step, and the port of it, whose messages another step takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct After {
    /// The step before.
    pub step: StepId,
    /// Its port.
    pub port: Port,
}

/// What happens to a message on its way into a step, in this order: condition, split, mapping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// A JSONata expression; a message for which it is false is dropped and counted as filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A JSONata expression that gives an array: one message per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The mapping that makes the input; absent: the body unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

/// Which steps may share a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// All steps of all flows that use the same component version.
    #[default]
    Shared,
    /// The steps of one flow.
    Flow,
    /// Only this step.
    Step,
}

/// What happens to an input that failed for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorRoute {
    /// It becomes a dead letter.
    #[default]
    DeadLetter,
    /// Its input is passed on as if the step had emitted it.
    Continue,
    /// Another step gets `{ error, input }`.
    To(StepId),
}
