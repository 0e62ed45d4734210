//! Declarative connectors: their shape by the schema of the file, then what the schema cannot say.

use std::sync::LazyLock;

use serde_json::Value;
use sluice_declarative::{Manifest, ProblemKind, schema};

use super::fields::Reader;
use crate::Code;
use crate::document::Node;
use crate::documents::ConnectorDoc;
use crate::near::nearest;
use crate::schema::{UNKNOWN_NAME, faults, violations};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// Reads a declarative connector. Nothing when its shape is wrong: what else is wrong is hard to tell then.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<ConnectorDoc> {
    let (value, places) = (root.to_value(), root.places());
    let found = violations(&SCHEMA, &value).unwrap_or_default();
    for violation in &found {
        let mark = places.at(&violation.pointer);
        if violation.keyword == UNKNOWN_NAME {
            let name = violation.pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("there is no field `{name}` here");
            match nearest(name, fields()) {
                Some(known) => {
                    let help = format!("did you mean `{known}`?");
                    reader.fault_with_help(Code::UnknownField, mark, message, help);
                }
                None => reader.fault(Code::UnknownField, mark, message),
            }
        } else {
            reader.fault(Code::ConnectorField, mark, violation.message.clone());
        }
    }
    if !found.is_empty() {
        return None;
    }
    let manifest = match Manifest::from_value(&value) {
        Ok(manifest) => manifest,
        Err(error) => {
            reader.fault(Code::ConnectorField, places.at(&error.pointer), super::clean(&error.message));
            return None;
        }
    };
    for problem in manifest.check() {
        let code = match problem.kind {
            ProblemKind::Expression => Code::ConnectorExpression,
            ProblemKind::Missing | ProblemKind::Value | ProblemKind::Unknown => Code::ConnectorField,
        };
        reader.fault_with_help(
            code,
            places.at(&problem.pointer),
            super::clean(&problem.message),
            problem.help,
        );
    }
    for (pointer, schema) in manifest.schemas() {
        for fault in faults(&schema) {
            let mark = places.at(&format!("{pointer}{}", fault.pointer));
            reader.fault(Code::ConnectorSchema, mark, fault.message);
        }
    }
    Some(ConnectorDoc { manifest, places, file: reader.file.to_owned() })
}

/// Every field name of the file, for suggestions.
fn fields() -> Vec<&'static str> {
    fn collect(value: &'static Value, into: &mut Vec<&'static str>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    if let (true, Value::Object(properties)) = (key == "properties", member) {
                        into.extend(properties.keys().map(String::as_str));
                    }
                    collect(member, into);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut names = Vec::new();
    collect(&SCHEMA, &mut names);
    names
}
