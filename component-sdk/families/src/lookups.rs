//! What can be asked of a component: whether its credentials are good, which values a field may have, what its schemas are,
//! and that it shuts a trigger down.
//!
//! On their platform a person's browser asks. Here each is an action that can be invoked on an instance; that of the
//! credentials is the test of the connector, and that which shuts down is called when a flow ends.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sluice_protocol::FunctionName;

use crate::{Foreign, FunctionKind};

/// The files one of which looks after credentials, where a component has it.
pub const VERIFY: [&str; 2] = ["verifyCredentials.js", "verifyCredentials/index.js"];

/// Whether a component looks after its credentials.
pub(crate) fn verifies(files: &BTreeMap<String, String>) -> bool {
    VERIFY.iter().any(|path| files.contains_key(*path))
}

/// Adds the actions that ask. Gives the one that shows whether an instance works.
pub(crate) fn add(
    actions: &mut Map<String, Value>,
    functions: &mut BTreeMap<FunctionName, Foreign>,
    verifies: bool,
    mut ours: impl FnMut(&str, FunctionKind) -> FunctionName,
) -> Option<FunctionName> {
    let with = |which: fn(&Foreign) -> bool| -> Vec<Value> {
        let fitting = functions.iter().filter(|(_, foreign)| which(foreign));
        fitting.map(|(name, _)| name.to_string().into()).collect()
    };
    let (fields, schemas) = (with(|one| !one.options.is_empty()), with(|one| one.dynamic));
    let mut add = |name: &str, kind: FunctionKind, described: Value| {
        let ours = ours(name, kind);
        insert((actions, functions), &ours, (name, kind), described);
        ours
    };
    let input = |functions: Vec<Value>, more: &[&str]| {
        let mut properties = json!({
            "function": { "enum": functions, "title": "Function" },
            "config": { "type": "object", "title": "Config", "description": "As far as it is known, without the instance." },
        });
        for name in more {
            properties[*name] = json!({ "type": "string" });
        }
        let required: Vec<&str> = ["function"].iter().chain(more).copied().collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    if !fields.is_empty() {
        let described = json!({
            "title": "Values of a field",
            "description": "Which values a field of a function may have, with their titles.",
            "input": input(fields, &["field"]),
        });
        add("selectModel", FunctionKind::Options, described);
    }
    if !schemas.is_empty() {
        let described = json!({
            "title": "Schemas of a function",
            "description": "What a function takes (`in`) and emits (`out`) with a config, as JSON Schemas.",
            "input": input(schemas, &[]),
        });
        add("getMetaModel", FunctionKind::Schema, described);
    }
    verifies.then(|| {
        let described = json!({
            "title": "Verify the credentials",
            "description": "Succeeds when the component finds the credentials of the instance good.",
        });
        add("verifyCredentials", FunctionKind::Verify, described)
    })
}

/// Adds the action that runs the hook `shutdown` of the triggers, and names it at each of them.
pub(crate) fn add_closing(
    (triggers, actions): (&mut Map<String, Value>, &mut Map<String, Value>),
    functions: &mut BTreeMap<FunctionName, Foreign>,
    mut ours: impl FnMut(&str, FunctionKind) -> FunctionName,
) {
    if triggers.is_empty() {
        return;
    }
    let (name, kind) = ("shutdown", FunctionKind::Shutdown);
    let ours = ours(name, kind);
    let names: Vec<&String> = triggers.keys().collect();
    let described = json!({
        "title": "Shut a trigger down",
        "description": "Runs the hook `shutdown` of a trigger with what its hook `startup` returned. Sluice does so when its flow ends.",
        "input": {
            "type": "object",
            "required": ["trigger", "opened", "flow", "step"],
            "properties": {
                "trigger": { "enum": names, "title": "Trigger" },
                "config": { "type": "object", "title": "Config of its step" },
                "opened": { "title": "What `startup` returned" },
                "flow": { "type": "string", "title": "Id of the flow" },
                "step": { "type": "string", "title": "Id of the step" },
            },
        },
    });
    for trigger in triggers.values_mut() {
        trigger["closes_with"] = ours.to_string().into();
    }
    insert((actions, functions), &ours, (name, kind), described);
}

/// Adds an action by which the library is asked.
fn insert(
    (actions, functions): (&mut Map<String, Value>, &mut BTreeMap<FunctionName, Foreign>),
    ours: &FunctionName,
    (name, kind): (&str, FunctionKind),
    described: Value,
) {
    actions.insert(ours.to_string(), described);
    let foreign = Foreign { name: name.to_owned(), kind, options: BTreeMap::new(), dynamic: false };
    functions.insert(ours.clone(), foreign);
}
