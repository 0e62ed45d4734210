//! What schemas of the document say about the shape of values, seen through references and `allOf`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::{Document, list, object, text};

/// How many references and combinations are seen through.
const FUEL: usize = 8;

impl<'d> Document<'d> {
    /// The types that a schema names, itself or in one of its parts.
    pub(crate) fn types(&self, schema: &'d Value) -> BTreeSet<&'d str> {
        let mut types = BTreeSet::new();
        self.collect_types(schema, FUEL, &mut types);
        types
    }

    fn collect_types(&self, schema: &'d Value, fuel: usize, into: &mut BTreeSet<&'d str>) {
        let (Some(fuel), Ok(schema)) = (fuel.checked_sub(1), self.resolve(schema)) else { return };
        into.extend(text(schema, "type"));
        into.extend(list(schema, "type").iter().filter_map(Value::as_str));
        if schema.get("properties").is_some() {
            into.insert("object");
        }
        for part in ["allOf", "anyOf", "oneOf"].iter().flat_map(|key| list(schema, key)) {
            self.collect_types(part, fuel, into);
        }
    }

    /// The properties that a schema names. With `choices` those of its alternatives too.
    pub(crate) fn properties(&self, schema: &'d Value, choices: bool) -> Vec<(&'d str, &'d Value)> {
        let mut properties = Vec::new();
        self.collect_properties(schema, choices, FUEL, &mut properties);
        properties
    }

    fn collect_properties(
        &self,
        schema: &'d Value,
        choices: bool,
        fuel: usize,
        into: &mut Vec<(&'d str, &'d Value)>,
    ) {
        let (Some(fuel), Ok(schema)) = (fuel.checked_sub(1), self.resolve(schema)) else { return };
        for (name, property) in object(schema, "properties").into_iter().flatten() {
            if !into.iter().any(|(known, _)| known == name) {
                into.push((name, property));
            }
        }
        let keys: &[&str] = if choices { &["allOf", "anyOf", "oneOf"] } else { &["allOf"] };
        for part in keys.iter().flat_map(|key| list(schema, key)) {
            self.collect_properties(part, choices, fuel, into);
        }
    }

    /// The schema of the items of a list; nothing where a value may be something else.
    pub(crate) fn items(&self, schema: &'d Value) -> Option<&'d Value> {
        let types = self.types(schema);
        if !types.contains("array") || types.iter().any(|kind| !["array", "null"].contains(kind)) {
            return None;
        }
        let mut open = vec![schema];
        for _ in 0..FUEL {
            let schema = self.resolve(open.pop()?).ok()?;
            if let Some(items) = schema.get("items") {
                return Some(items);
            }
            open.extend(["allOf", "anyOf", "oneOf"].iter().flat_map(|key| list(schema, key)));
        }
        None
    }
}
