//! What another version of a connector changes, for whoever decides whether to take it.

mod shape;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sluice_declarative::{COMPONENT, Manifest};
use sluice_domain::{Connector, Instance, Template};
use sluice_protocol::{Action, ComponentName, FunctionName, Port, Trigger};

use self::shape::Way;
use crate::check::{secret_faults, setting_faults, unbound};
use crate::resolve::wanted;
use crate::{Catalogue, Change};

/// A way in which two versions of a connector differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectorChange {
    /// What happens.
    pub change: Change,
    /// Whether what works with the version before may not work with the other one.
    pub breaking: bool,
    /// What differs: `settings`, `secrets`, `auth`, `http`, `scripts`, `test`, `runner`, `actions.NAME`,
    /// `actions.NAME.input`, ...
    pub subject: String,
    /// How, in one sentence.
    pub reason: String,
}

/// What `after` changes in `before`: what breaks first, then in the order of the descriptor.
///
/// A schema of what goes in breaks what works when it demands more than before; one of what comes out, when it promises
/// less. What cannot be judged (`oneOf`, patterns, ...) is told as a change that may break.
#[must_use]
pub fn connector_changes(before: &Connector, after: &Connector) -> Vec<ConnectorChange> {
    let mut found = Found(Vec::new());
    let (old, new) = (&before.descriptor, &after.descriptor);
    found.schema("settings", Way::In, old.settings.as_ref(), new.settings.as_ref());
    found.schema("secrets", Way::In, old.secrets.as_ref(), new.secrets.as_ref());
    if old.test != new.test {
        let (old, new) = (test(old.test.as_ref()), test(new.test.as_ref()));
        found.add(Change::Change, false, "test", format!("the test is {new} instead of {old}"));
    }
    match (before.manifest(), after.manifest()) {
        (Some(old), Some(new)) => found.manifests(old, new),
        (None, None) if before.source != after.source => {
            found.add(Change::Change, false, "runner", "another image runs it");
        }
        (None, None) => {}
        (Some(_), None) => found.add(Change::Change, true, "runner", "it has an image of its own now"),
        (None, Some(_)) => found.add(Change::Change, true, "runner", "it has no image of its own any more"),
    }
    found.functions("triggers", &old.triggers, &new.triggers, Found::trigger);
    found.functions("actions", &old.actions, &new.actions, Found::action);
    // Stable, so the order within each half stays.
    found.0.sort_by_key(|change| !change.breaking);
    found.0
}

/// Whether a template uses a connector, by an alias or by its name. What executes a declarative connector is used with it.
#[must_use]
pub fn uses(template: &Template, connector: &ComponentName, catalogue: &Catalogue) -> bool {
    template.steps.iter().any(|step| {
        let (name, version) = wanted(template, step.uses.source.as_str());
        let declared = || catalogue.choose(name, version).is_some_and(|found| found.manifest().is_some());
        name == connector.as_str() || (connector.as_str() == COMPONENT && declared())
    })
}

/// What of an instance does not fit a version of its connector, a sentence each.
#[must_use]
pub fn instance_faults(instance: &Instance, connector: &Connector) -> Vec<String> {
    let names: Vec<&str> = instance.secret_fields.iter().map(String::as_str).collect();
    let settings = setting_faults(connector, &instance.settings, "settings");
    let secrets = secret_faults(connector, &names, "secrets");
    let sentence = |fault: crate::schema::Violation| format!("{}: {}", fault.pointer, fault.message);
    let unbound = unbound(connector, &instance.uses, "instances");
    settings.into_iter().chain(secrets).chain(unbound).map(sentence).collect()
}

fn test(name: Option<&FunctionName>) -> String {
    name.map_or_else(|| "none".to_owned(), |name| format!("`{name}`"))
}

struct Found(Vec<ConnectorChange>);

impl Found {
    fn add(&mut self, change: Change, breaking: bool, subject: impl Into<String>, reason: impl Into<String>) {
        self.0.push(ConnectorChange { change, breaking, subject: subject.into(), reason: reason.into() });
    }

    fn schema(&mut self, subject: &str, way: Way, before: Option<&Value>, after: Option<&Value>) {
        for difference in shape::differences(way, before, after) {
            self.add(Change::Change, difference.breaking, subject, difference.reason);
        }
    }

    fn functions<F>(
        &mut self,
        kind: &str,
        before: &BTreeMap<FunctionName, F>,
        after: &BTreeMap<FunctionName, F>,
        compare: impl Fn(&mut Self, &str, &F, &F),
    ) {
        for (name, old) in before {
            let subject = format!("{kind}.{name}");
            match after.get(name) {
                Some(new) => compare(self, &subject, old, new),
                None => self.add(Change::Remove, true, subject, "it is gone"),
            }
        }
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            self.add(Change::Add, false, format!("{kind}.{name}"), "it is new");
        }
    }

    fn trigger(&mut self, subject: &str, old: &Trigger, new: &Trigger) {
        if old.kind != new.kind {
            self.add(Change::Change, true, subject, "it gets its work in another way");
        }
        self.schema(&format!("{subject}.config"), Way::In, old.config.as_ref(), new.config.as_ref());
        self.schema(&format!("{subject}.output"), Way::Out, old.output.as_ref(), new.output.as_ref());
        self.ports(subject, &old.ports, &new.ports);
    }

    fn action(&mut self, subject: &str, old: &Action, new: &Action) {
        self.schema(&format!("{subject}.config"), Way::In, old.config.as_ref(), new.config.as_ref());
        self.schema(&format!("{subject}.input"), Way::In, old.input.as_ref(), new.input.as_ref());
        self.schema(&format!("{subject}.output"), Way::Out, old.output.as_ref(), new.output.as_ref());
        self.ports(subject, &old.ports, &new.ports);
    }

    fn ports(&mut self, subject: &str, old: &[Port], new: &[Port]) {
        let usual = [Port::default()];
        let or_usual = |ports: &'_ [Port]| if ports.is_empty() { usual.to_vec() } else { ports.to_vec() };
        let (old, new) = (or_usual(old), or_usual(new));
        for port in old.iter().filter(|port| !new.contains(port)) {
            self.add(Change::Remove, true, format!("{subject}.ports"), format!("port `{port}` is gone"));
        }
        for port in new.iter().filter(|port| !old.contains(port)) {
            self.add(Change::Add, false, format!("{subject}.ports"), format!("port `{port}` is new"));
        }
    }

    /// What the descriptors of declarative connectors do not tell.
    fn manifests(&mut self, old: &Manifest, new: &Manifest) {
        if old.auth != new.auth {
            self.add(Change::Change, true, "auth", "requests are authorised in another way");
        }
        if old.http != new.http {
            self.add(Change::Change, false, "http", "the API is reached in another way");
        }
        if old.scripts != new.scripts {
            self.add(Change::Change, false, "scripts", "scripts differ");
        }
        for (name, before) in &old.actions {
            let Some(after) = new.actions.get(name) else { continue };
            let subject = format!("actions.{name}");
            let more = after.scopes.iter().filter(|scope| !before.scopes.contains(scope));
            for scope in more {
                self.add(Change::Change, true, &subject, format!("it needs the scope `{scope}`"));
            }
            if (&before.request, &before.response, &before.pagination)
                != (&after.request, &after.response, &after.pagination)
            {
                self.add(Change::Change, false, &subject, "it asks, or reads the answer, in another way");
            }
        }
        for (name, before) in &old.triggers {
            if new.triggers.get(name).is_some_and(|after| after != before) {
                let subject = format!("triggers.{name}");
                self.add(Change::Change, false, subject, "its definition differs");
            }
        }
    }
}

#[cfg(test)]
mod tests;
