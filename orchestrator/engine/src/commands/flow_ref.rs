//! How operators name flows: by name or by id.

use std::fmt;
use std::str::FromStr;

use sluice_domain::{Flow, FlowId, FlowName, NameError};

use crate::{CommandError, Engine};

/// A flow, named or by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowRef {
    /// By name.
    Name(FlowName),
    /// By id.
    Id(FlowId),
}

impl FromStr for FlowRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No name has an underscore, so the two never meet.
        text.parse().map(Self::Id).or_else(|_| text.parse().map(Self::Name))
    }
}

impl fmt::Display for FlowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl Engine {
    /// The flow that a reference means.
    pub(crate) fn resolve(&self, reference: &FlowRef) -> Result<Flow, CommandError> {
        let snapshot = self.core.snapshot();
        let found = match reference {
            FlowRef::Id(id) => snapshot.flows.get(id),
            FlowRef::Name(name) => snapshot.flows.values().find(|flow| flow.name == *name),
        };
        found.cloned().ok_or_else(|| CommandError::not_found("flow", reference))
    }
}
