//! Which connector and function a step means.

use semver::VersionReq;
use serde_json::Value;
use sluice_declarative::Trigger as Declared;
use sluice_domain::{Connector, Step, Template};
use sluice_protocol::gateway::Role;
use sluice_protocol::{Action, FunctionName, Port, Trigger, TriggerKind};

use crate::{Catalogue, builtin};

/// A step's connector and function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolved<'c> {
    pub(crate) connector: &'c Connector,
    pub(crate) function: Function<'c>,
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function<'c> {
    Trigger(&'c Trigger),
    Action(&'c Action),
}

impl<'c> Function<'c> {
    /// The function of this name.
    pub(crate) fn find(connector: &'c Connector, name: &FunctionName) -> Option<Self> {
        let descriptor = &connector.descriptor;
        let trigger = descriptor.triggers.get(name).map(Self::Trigger);
        trigger.or_else(|| descriptor.actions.get(name).map(Self::Action))
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Action(_) => Role::Action,
            Self::Trigger(trigger) => match trigger.kind {
                TriggerKind::Polling => Role::Polling,
                TriggerKind::Listener => Role::Listener,
                TriggerKind::Webhook => Role::Webhook,
            },
        }
    }

    pub(crate) fn is_trigger(self) -> bool {
        matches!(self, Self::Trigger(_))
    }

    pub(crate) fn config(self) -> Option<&'c Value> {
        match self {
            Self::Trigger(trigger) => trigger.config.as_ref(),
            Self::Action(action) => action.config.as_ref(),
        }
    }

    pub(crate) fn output(self) -> Option<&'c Value> {
        match self {
            Self::Trigger(trigger) => trigger.output.as_ref(),
            Self::Action(action) => action.output.as_ref(),
        }
    }

    /// The action that closes what it opened.
    pub(crate) fn closes_with(self) -> Option<&'c FunctionName> {
        match self {
            Self::Trigger(trigger) => trigger.closes_with.as_ref(),
            Self::Action(_) => None,
        }
    }

    /// Its ports; `out` alone when it names none.
    pub(crate) fn ports(self) -> Vec<Port> {
        let ports = match self {
            Self::Trigger(trigger) => &trigger.ports,
            Self::Action(action) => &action.ports,
        };
        if ports.is_empty() { vec![Port::default()] } else { ports.clone() }
    }
}

impl Resolved<'_> {
    /// How the function gets its work.
    pub(crate) fn role(&self) -> Role {
        if builtin::is(self.connector) { Role::Respond } else { self.function.role() }
    }

    /// Whether the step takes requests whose signatures are checked with a secret of an instance.
    pub(crate) fn is_signed(&self, function: &FunctionName) -> bool {
        let trigger = self.connector.manifest().and_then(|manifest| manifest.triggers.get(function));
        matches!(trigger, Some(Declared::Webhook(webhook)) if webhook.needs_secret())
    }

    /// Whether the sender of the requests is told of the step's URL, which an instance has to do.
    pub(crate) fn subscribes(&self, function: &FunctionName) -> bool {
        let trigger = self.connector.manifest().and_then(|manifest| manifest.triggers.get(function));
        matches!(trigger, Some(Declared::Webhook(webhook)) if webhook.subscribe.is_some())
    }
}

/// The connector's name and the versions that will do for what a step uses.
pub(crate) fn wanted<'t>(template: &'t Template, source: &'t str) -> (&'t str, Option<&'t VersionReq>) {
    let binding = template.instances.iter().find(|(alias, _)| alias.as_str() == source);
    match binding {
        Some((_, binding)) => (binding.connector.as_str(), binding.version.as_ref()),
        None => (source, None),
    }
}

/// The connector that a step uses.
pub(crate) fn connector<'c>(
    template: &Template,
    step: &Step,
    catalogue: &'c Catalogue,
) -> Option<&'c Connector> {
    let (name, version) = wanted(template, step.uses.source.as_str());
    catalogue.choose(name, version)
}

/// The connector and function that a step uses.
pub(crate) fn resolve<'c>(
    template: &Template,
    step: &Step,
    catalogue: &'c Catalogue,
) -> Option<Resolved<'c>> {
    let connector = connector(template, step, catalogue)?;
    let function = Function::find(connector, &step.uses.function)?;
    Some(Resolved { connector, function })
}
