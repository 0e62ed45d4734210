//! References to datatypes that are not described.

use serde_json::Value;

use super::{Check, ProblemKind, escape, short};
use crate::Manifest;

impl Check {
    pub(super) fn references(&mut self, manifest: &Manifest) {
        let mut schemas: Vec<(String, &Value)> = Vec::new();
        schemas.extend(manifest.variables.iter().map(|schema| ("/variables".to_owned(), schema)));
        schemas.extend(
            manifest.datatypes.iter().map(|(name, schema)| (format!("/datatypes/{}", escape(name)), schema)),
        );
        for (name, action) in &manifest.actions {
            let fields = [("config", &action.config), ("input", &action.input), ("output", &action.output)];
            schemas.extend(of_function(&format!("/actions/{name}"), &fields));
        }
        for (name, trigger) in &manifest.triggers {
            let fields = [("config", trigger.config()), ("output", trigger.output())];
            schemas.extend(of_function(&format!("/triggers/{name}"), &fields));
        }
        for (at, schema) in schemas {
            self.references_in(&at, schema, manifest);
        }
    }

    fn references_in(&mut self, at: &str, value: &Value, manifest: &Manifest) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    let pointer = format!("{at}/{}", escape(key));
                    if let (true, Value::String(reference)) = (key == "$ref", member)
                        && let Some(name) = reference.strip_prefix("#/datatypes/")
                        && !manifest.datatypes.contains_key(name)
                    {
                        let text = format!("there is no datatype `{}`", short(name));
                        self.add(pointer, ProblemKind::Unknown, text, "describe it under `datatypes`");
                    } else {
                        self.references_in(&pointer, member, manifest);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.references_in(&format!("{at}/{index}"), item, manifest);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn of_function<'v>(at: &str, fields: &[(&str, &'v Option<Value>)]) -> Vec<(String, &'v Value)> {
    fields.iter().filter_map(|(field, schema)| Some((format!("{at}/{field}"), schema.as_ref()?))).collect()
}
