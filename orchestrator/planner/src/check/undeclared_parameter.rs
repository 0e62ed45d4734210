//! Expressions that read a parameter that the template does not declare.

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_mapping::Segment;

use super::Context;
use crate::near::{quote, suggest};
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let declared = context.doc.template.parameters.as_ref();
    if declared.is_some_and(is_open) || (declared.is_none() && context.doc.places.has("/parameters")) {
        return;
    }
    let properties = declared.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let names: Vec<&str> = properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
    for part in context.gates.iter().chain(&context.configs) {
        for parsed in &part.good {
            let read: BTreeSet<&str> = parsed.paths.iter().filter_map(|path| parameter(path)).collect();
            for name in read.into_iter().filter(|name| !names.contains(name)) {
                let message = format!("the template declares no parameter {}", quote(name));
                let help = suggest(name, "parameters", names.iter().copied());
                report.push(context.at(Code::UndeclaredParameter, &parsed.pointer, message).help(help));
            }
        }
    }
}

/// Whether parameters may have names that the schema does not list.
fn is_open(schema: &Value) -> bool {
    let others = schema.get("additionalProperties");
    let refers =
        ["$ref", "allOf", "anyOf", "oneOf", "patternProperties"].iter().any(|key| schema.get(key).is_some());
    refers || matches!(others, Some(Value::Bool(true) | Value::Object(_)))
}

fn parameter(path: &[Segment]) -> Option<&str> {
    match path {
        [Segment::Name(root), Segment::Name(name), ..] if root == "params" => Some(name),
        _ => None,
    }
}
