//! What an adopted image says of itself: which family, how its process is started, and what its functions are called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_protocol::FunctionName;

use crate::FamilyName;

/// What is needed to drive the process of an adopted image. It lies in the image beside the descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// The family.
    pub family: FamilyName,
    /// The version of the family's library, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<semver::Version>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder in which it is started: that of `component.json`.
    pub directory: String,
    /// Its functions by our names.
    pub functions: BTreeMap<FunctionName, Foreign>,
    /// Settings of the instance that the process gets as environment variables, as the component asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Secrets of the instance whose text is JSON: the component expects what it says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parsed: Vec<String>,
}

/// A function of a component of another platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// Its name there.
    pub name: String,
    /// What it is here.
    pub kind: FunctionKind,
    /// Fields of its config whose values the component tells, with the method that does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Whether its schemas are made when they are asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
}

/// What a foreign function is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionKind {
    /// A trigger that is asked on a schedule.
    Polling,
    /// An action.
    Action,
    /// It tells whether the credentials of an instance are good.
    Verify,
    /// It tells the schemas of another function.
    Schema,
    /// It tells which values a field of another function's config may have.
    Options,
    /// It runs the hook `shutdown` of a trigger.
    Shutdown,
}
