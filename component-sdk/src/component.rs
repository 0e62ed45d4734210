//! A component: its descriptor and the implementations of its functions.
//!
//! What the descriptor promises and what is implemented are compared before anything runs, and every difference is
//! reported, not just the first.

use std::collections::BTreeMap;

use sluice_protocol::{Descriptor, DescriptorError, TriggerKind};

use crate::function::Function;
use crate::{Action, ListenerTrigger, PollingTrigger};

/// A component under construction.
#[derive(Clone)]
pub struct Component {
    text: &'static str,
    functions: BTreeMap<&'static str, Function>,
    twice: Vec<&'static str>,
}

/// A component whose descriptor and implementations agree.
pub(crate) struct Checked {
    pub(crate) descriptor: Descriptor,
    pub(crate) functions: BTreeMap<&'static str, Function>,
}

/// A difference between the descriptor and the implementations.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The descriptor is none.
    #[error("component.json is refused")]
    Descriptor(#[source] DescriptorError),
    /// A function of the descriptor has no implementation of its kind.
    #[error("component.json names the {kind} `{name}`, which is not implemented")]
    Missing {
        /// `action`, `polling trigger` or `listener`.
        kind: &'static str,
        /// The function.
        name: String,
    },
    /// An implementation is in no descriptor.
    #[error("the {kind} `{name}` is implemented, but component.json does not name it")]
    Undescribed {
        /// `action`, `polling trigger` or `listener`.
        kind: &'static str,
        /// The function.
        name: String,
    },
    /// Two implementations share a name.
    #[error("`{0}` is implemented twice")]
    Twice(String),
}

impl Component {
    /// A component with this descriptor: `Component::new(include_str!("../component.json"))`.
    #[must_use]
    pub fn new(descriptor: &'static str) -> Self {
        Self { text: descriptor, functions: BTreeMap::new(), twice: Vec::new() }
    }

    /// Implements an action.
    #[must_use]
    pub fn action(self, name: &'static str, action: impl Action) -> Self {
        self.with(name, Function::action(action))
    }

    /// Implements a polling trigger.
    #[must_use]
    pub fn polling(self, name: &'static str, trigger: impl PollingTrigger) -> Self {
        self.with(name, Function::polling(trigger))
    }

    /// Implements a listener.
    #[must_use]
    pub fn listener(self, name: &'static str, trigger: impl ListenerTrigger) -> Self {
        self.with(name, Function::listener(trigger))
    }

    /// Every difference between the descriptor and the implementations.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        match self.clone().check() {
            Ok(_) => Vec::new(),
            Err(faults) => faults,
        }
    }

    pub(crate) fn check(self) -> Result<Checked, Vec<Fault>> {
        let descriptor = Descriptor::from_json(self.text).map_err(|error| vec![Fault::Descriptor(error)])?;
        let mut faults: Vec<Fault> = self.twice.iter().map(|name| Fault::Twice((*name).to_owned())).collect();
        let described = described(&descriptor);
        for (name, kind) in &described {
            if self.functions.get(name.as_str()).map(kind_of) != Some(*kind) {
                faults.push(Fault::Missing { kind, name: name.clone() });
            }
        }
        for (name, function) in &self.functions {
            if described.get(*name) != Some(&kind_of(function)) {
                faults.push(Fault::Undescribed { kind: kind_of(function), name: (*name).to_owned() });
            }
        }
        if faults.is_empty() { Ok(Checked { descriptor, functions: self.functions }) } else { Err(faults) }
    }

    fn with(mut self, name: &'static str, function: Function) -> Self {
        if self.functions.insert(name, function).is_some() {
            self.twice.push(name);
        }
        self
    }
}

fn described(descriptor: &Descriptor) -> BTreeMap<String, &'static str> {
    let actions = descriptor.actions.keys().map(|name| (name.to_string(), "action"));
    let triggers = descriptor.triggers.iter().map(|(name, trigger)| {
        let kind = match trigger.kind {
            TriggerKind::Polling => "polling trigger",
            TriggerKind::Listener => "listener",
            TriggerKind::Webhook => "webhook",
        };
        (name.to_string(), kind)
    });
    actions.chain(triggers).collect()
}

fn kind_of(function: &Function) -> &'static str {
    match function {
        Function::Action(_) => "action",
        Function::Polling(_) => "polling trigger",
        Function::Listener(_) => "listener",
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("functions", &self.functions.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Error, Outputs};

    struct Echo;

    impl Action for Echo {
        type Config = serde_json::Value;
        type Input = serde_json::Value;

        async fn run(&self, _: &Context, _: &Self::Config, input: Self::Input) -> Result<Outputs, Error> {
            Ok(Outputs::one(input))
        }
    }

    #[test]
    fn every_difference_to_the_descriptor_is_reported() {
        let text = r#"{"name":"a","version":"1.0.0","title":"A","actions":{"x":{"title":"X"},"y":{"title":"Y"}},
            "triggers":{"z":{"title":"Z","kind":"polling"}}}"#;
        let faults = Component::new(text).action("x", Echo).action("z", Echo).action("x", Echo).faults();
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "`x` is implemented twice",
                "component.json names the action `y`, which is not implemented",
                "component.json names the polling trigger `z`, which is not implemented",
                "the action `z` is implemented, but component.json does not name it",
            ]
        );
    }
}
