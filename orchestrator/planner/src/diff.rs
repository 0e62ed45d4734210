//! What a new version of a flow changes: a plan for people to read before it happens.
//!
//! Deployments are named by component and scope, since a change of limits or image gives another deployment. Two
//! versions differ here exactly when they differ in anything but their version number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use sluice_domain::compiled::{CompiledFlow, CompiledStep};
use sluice_domain::{DeploymentSpec, ErrorRoute, StepId};

/// What a new version of a flow changes, in the order in which it reads best.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FlowDiff {
    /// The changes.
    pub items: Vec<Item>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What happens.
    pub change: Change,
    /// To what kind of thing.
    pub subject: Subject,
    /// To which one.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there before.
    Add,
    /// It is there before and after, and differs.
    Change,
    /// It is not there afterwards.
    Remove,
}

/// A kind of thing that a version consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The flow itself: its name, template and parameters.
    Flow,
    /// A step.
    Step,
    /// An edge between two steps.
    Edge,
    /// The containers of a component version.
    Deployment,
    /// The queue of a step.
    Lane,
}

/// What `new` changes; everything is new when there is no `old`. The version number does not count.
#[must_use]
pub fn diff(old: Option<&CompiledFlow>, new: &CompiledFlow) -> FlowDiff {
    let mut items = Vec::new();
    flow(old, new, &mut items);
    let none = BTreeMap::new();
    let before = old.map_or(&none, |old| &old.steps);
    steps(before, &new.steps, &mut items);
    edges(before, &new.steps, &mut items);
    deployments(old, new, &mut items);
    lanes(before, &new.steps, &mut items);
    FlowDiff { items }
}

type Steps = BTreeMap<StepId, Box<CompiledStep>>;

fn item(change: Change, subject: Subject, name: impl Into<String>, reason: impl Into<String>) -> Item {
    Item { change, subject, name: name.into(), reason: reason.into() }
}

fn flow(old: Option<&CompiledFlow>, new: &CompiledFlow, items: &mut Vec<Item>) {
    let made_of = format!("template {}@{}", new.template, new.template_version);
    let Some(old) = old else {
        items.push(item(Change::Add, Subject::Flow, new.name.to_string(), format!("new, of {made_of}")));
        return;
    };
    let mut reasons = Vec::new();
    if old.id != new.id {
        reasons.push("it is another flow".to_owned());
    }
    if old.name != new.name {
        reasons.push(format!("it was called {}", old.name));
    }
    if (&old.template, &old.template_version) != (&new.template, &new.template_version) {
        reasons.push(format!("{made_of} instead of {}@{}", old.template, old.template_version));
    }
    reasons.extend(params(old, new));
    if !reasons.is_empty() {
        items.push(item(Change::Change, Subject::Flow, new.name.to_string(), reasons.join(", ")));
    }
}

/// The names of the parameters that differ. Their values may be long, and are in the files.
fn params(old: &CompiledFlow, new: &CompiledFlow) -> Option<String> {
    if old.params == new.params {
        return None;
    }
    let (Some(before), Some(after)) = (old.params.as_object(), new.params.as_object()) else {
        return Some("other parameters".to_owned());
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let other: Vec<&str> =
        names.into_iter().filter(|name| before.get(*name) != after.get(*name)).map(String::as_str).collect();
    Some(format!("other parameters: {}", other.join(" ")))
}

fn steps(before: &Steps, after: &Steps, items: &mut Vec<Item>) {
    for (id, step) in after {
        let uses = format!("uses {}/{}", step.deployment.component, step.function);
        match before.get(id) {
            None => items.push(item(Change::Add, Subject::Step, id.as_str(), uses)),
            Some(old) => {
                let reasons = changes(old, step);
                if !reasons.is_empty() {
                    let reason = format!("other {}", reasons.join(", "));
                    items.push(item(Change::Change, Subject::Step, id.as_str(), reason));
                }
            }
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        let reason = "no longer in the template; messages on their way to it finish on their version";
        items.push(item(Change::Remove, Subject::Step, id.as_str(), reason));
    }
}

/// The parts of a step that differ. Edges, lane and deployment have items of their own, but count here too where
/// nothing else would show them.
fn changes(old: &CompiledStep, new: &CompiledStep) -> Vec<&'static str> {
    let parts = [
        ("function", old.function != new.function),
        ("role", old.role != new.role),
        ("component version", old.deployment.version != new.deployment.version),
        (
            "image",
            old.deployment.digest != new.deployment.digest || old.deployment.image != new.deployment.image,
        ),
        ("isolation", old.deployment.scope != new.deployment.scope),
        ("limits", old.deployment.limits != new.deployment.limits),
        ("instance", old.instance != new.instance),
        ("config", old.config != new.config),
        ("condition", old.gate.when != new.gate.when),
        ("split", old.gate.split != new.gate.split),
        ("input", old.gate.input != new.gate.input),
        ("carried outputs", old.carries != new.carries),
        ("schedule", old.schedule != new.schedule),
        ("retry policy", old.retry != new.retry),
        ("timeout", old.timeout != new.timeout),
        ("concurrency", old.concurrency != new.concurrency),
        ("error policy", continues(old) != continues(new)),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn continues(step: &CompiledStep) -> bool {
    step.on_error == ErrorRoute::Continue
}

fn edges(before: &Steps, after: &Steps, items: &mut Vec<Item>) {
    let (old, new) = (edge_names(before), edge_names(after));
    for edge in new.difference(&old) {
        let reason = if edge.contains("on_error") { "the step's error route" } else { "the step's `after`" };
        items.push(item(Change::Add, Subject::Edge, edge, reason));
    }
    for edge in old.difference(&new) {
        items.push(item(Change::Remove, Subject::Edge, edge, "no longer in the template"));
    }
    // The order in which a port's targets are served counts as well, though it changes no edge.
    for (id, step) in after {
        let Some(other) = before.get(id).filter(|other| other.next != step.next) else { continue };
        let sorted = |step: &CompiledStep| {
            let edges =
                step.next.iter().flat_map(|(port, to)| to.iter().map(move |to| (port.clone(), to.clone())));
            edges.collect::<BTreeSet<_>>()
        };
        if sorted(other) == sorted(step) {
            items.push(item(
                Change::Change,
                Subject::Edge,
                format!("{id} ->"),
                "another order of the steps after it",
            ));
        }
    }
}

fn edge_names(steps: &Steps) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (id, step) in steps {
        for (port, targets) in &step.next {
            names.extend(targets.iter().map(|to| format!("{id}.{port} -> {to}")));
        }
        if let ErrorRoute::To(to) = &step.on_error {
            names.insert(format!("{id} on_error -> {to}"));
        }
    }
    names
}

fn deployments(old: Option<&CompiledFlow>, new: &CompiledFlow, items: &mut Vec<Item>) {
    let before: Vec<&DeploymentSpec> = old.map(CompiledFlow::deployments).unwrap_or_default();
    let after = new.deployments();
    for spec in &after {
        if !before.iter().any(|other| other.id == spec.id) {
            let same =
                before.iter().find(|other| other.component == spec.component && other.scope == spec.scope);
            let reason = match same {
                Some(other) if other.version != spec.version => format!("replaces version {}", other.version),
                Some(other) if other.digest != spec.digest => "replaces another image".to_owned(),
                Some(_) => "replaces one with other limits".to_owned(),
                None => "a step needs it; it is shared if it runs already".to_owned(),
            };
            items.push(item(Change::Add, Subject::Deployment, deployment_name(spec), reason));
        }
    }
    for spec in before {
        if !after.iter().any(|other| other.id == spec.id) {
            let reason = "no step of the new version needs it; it goes when no flow does";
            items.push(item(Change::Remove, Subject::Deployment, deployment_name(spec), reason));
        }
    }
}

fn deployment_name(spec: &DeploymentSpec) -> String {
    format!("{}@{} ({})", spec.component, spec.version, spec.scope)
}

fn lanes(before: &Steps, after: &Steps, items: &mut Vec<Item>) {
    for (id, step) in after {
        match before.get(id) {
            None => items.push(item(Change::Add, Subject::Lane, id.as_str(), "the step is new")),
            Some(old) if old.lane != step.lane => {
                let reason = "the step moves to another deployment";
                items.push(item(Change::Change, Subject::Lane, id.as_str(), reason));
            }
            Some(_) => {}
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        items.push(item(Change::Remove, Subject::Lane, id.as_str(), "when it is empty; its step is gone"));
    }
}

impl FlowDiff {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Remove => "-",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flow => "flow",
            Self::Step => "step",
            Self::Edge => "edge",
            Self::Deployment => "deployment",
            Self::Lane => "lane",
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.change, self.subject, self.name, self.reason)
    }
}

impl fmt::Display for FlowDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no changes");
        }
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
