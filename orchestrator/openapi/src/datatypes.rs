//! Datatypes: the schemas of the document that actions refer to, and those that these refer to in turn.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bounds::NAME_CHARS;
use crate::document::{Document, Reason};
use crate::names::unique;
use crate::schema::Schemas;

const PREFIX: &str = "#/datatypes/";
/// Segments of pointers that say nothing to people.
const DULL: [&str; 8] =
    ["components", "schemas", "properties", "paths", "content", "schema", "$defs", "definitions"];
/// Keywords whose schemas judge the same value.
const SAME: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// The one of them with schemas by name.
const BY_NAME: &str = "dependentSchemas";

/// The names of datatypes.
#[derive(Debug, Default)]
pub(crate) struct Datatypes {
    /// Names by the reference that they stand for.
    names: BTreeMap<String, String>,
    /// References by name.
    references: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

/// What actions refer to.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    pub(crate) datatypes: BTreeMap<String, Value>,
    /// Datatypes that cannot be had, since they or others that they need lead out of the document.
    pub(crate) broken: BTreeMap<String, Reason>,
}

impl Datatypes {
    /// The name of the datatype that a reference stands for.
    ///
    /// # Errors
    /// When the reference leads out of the document or to nothing.
    pub(crate) fn name(&mut self, document: Document<'_>, reference: &str) -> Result<String, Reason> {
        document.target(reference)?;
        if let Some(name) = self.names.get(reference) {
            return Ok(name.clone());
        }
        let name = unique(&readable(reference), NAME_CHARS, &mut self.taken);
        self.names.insert(reference.to_owned(), name.clone());
        self.references.insert(name.clone(), reference.to_owned());
        Ok(name)
    }
}

/// The last parts of a reference that say something, in characters that references need not encode.
fn readable(reference: &str) -> String {
    let text = reference.trim_start_matches('#').replace("~1", "_").replace("%20", "_");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && !DULL.contains(part)).collect();
    let last = parts.get(parts.len().saturating_sub(3)..).unwrap_or_default().join("_");
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let name: String = last.chars().map(|letter| if is_fine(letter) { letter } else { '_' }).collect();
    if name.trim_matches('_').is_empty() { "datatype".to_owned() } else { name }
}

impl Schemas<'_> {
    /// All datatypes that schemas refer to, directly or not.
    pub(crate) fn close(&mut self, roots: &BTreeSet<String>) -> Closure {
        let mut closure = Closure::default();
        let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open: Vec<String> = roots.iter().cloned().collect();
        let mut seen: BTreeSet<String> = roots.clone();
        while let Some(name) = open.pop() {
            match self.datatype(&name) {
                Ok(schema) => {
                    for used in references(&schema) {
                        users.entry(used.clone()).or_default().insert(name.clone());
                        if seen.insert(used.clone()) {
                            open.push(used);
                        }
                    }
                    closure.datatypes.insert(name, schema);
                }
                Err(reason) => drop(closure.broken.insert(name, reason)),
            }
        }
        let mut open: Vec<String> = closure.broken.keys().cloned().collect();
        while let Some(name) = open.pop() {
            let Some(reason) = closure.broken.get(&name).cloned() else { continue };
            for user in users.get(&name).into_iter().flatten() {
                if closure.datatypes.remove(user).is_some() {
                    closure.broken.insert(user.clone(), reason.clone());
                    open.push(user.clone());
                }
            }
        }
        for name in break_circles(&mut closure.datatypes) {
            self.remarks.part(
                &format!("schema {name}"),
                "a reference of a schema to itself, without anything between, was left out",
            );
        }
        closure
    }

    fn datatype(&mut self, name: &str) -> Result<Value, Reason> {
        let reference = self.datatypes.references.get(name).cloned().unwrap_or_default();
        let target = self.document.target(&reference)?;
        self.convert(target, &format!("schema {name}"))
    }
}

/// The datatypes that a value refers to.
pub(crate) fn references(value: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match member.as_str().filter(|_| key == "$ref").and_then(|text| text.strip_prefix(PREFIX))
                    {
                        Some(name) => drop(into.insert(name.to_owned())),
                        None => collect(member, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(value, &mut names);
    names
}

/// Datatypes that are needed from these on.
pub(crate) fn reachable(roots: BTreeSet<String>, datatypes: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut open: Vec<String> = roots.iter().cloned().collect();
    let mut seen = roots;
    while let Some(name) = open.pop() {
        for used in datatypes.get(&name).map(references).unwrap_or_default() {
            if seen.insert(used.clone()) {
                open.push(used);
            }
        }
    }
    seen
}

/// Breaks circles of references that judge the same value again and again: no validator ends on them. Says which
/// datatypes lost one.
fn break_circles(datatypes: &mut BTreeMap<String, Value>) -> Vec<String> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut broken = Vec::new();
    let names: Vec<String> = datatypes.keys().cloned().collect();
    for start in names {
        // Depth first; each entry is a datatype and what of its references is still to be followed.
        let mut path: Vec<(String, Vec<String>)> = Vec::new();
        let mut next = (!done.contains(&start)).then_some(start);
        loop {
            if let Some(name) = next.take() {
                let mut uses = BTreeSet::new();
                datatypes.get(&name).iter().for_each(|schema| same(schema, &mut uses));
                path.push((name, uses.into_iter().collect()));
            }
            let Some((name, rest)) = path.last_mut() else { break };
            match rest.pop() {
                None => {
                    done.insert(name.clone());
                    path.pop();
                }
                Some(used) if done.contains(&used) => {}
                Some(used) => {
                    let name = name.clone();
                    if path.iter().any(|(open, _)| *open == used) {
                        if let Some(schema) = datatypes.get_mut(&name) {
                            cut(schema, &format!("{PREFIX}{used}"));
                        }
                        broken.push(name);
                    } else {
                        next = Some(used);
                    }
                }
            }
        }
    }
    broken
}

/// The datatypes that judge the same value as a schema.
fn same(schema: &Value, into: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(PREFIX))
    {
        into.insert(name.to_owned());
    }
    for (key, inner) in SAME.iter().filter_map(|key| Some((*key, schema.get(*key)?))) {
        match inner {
            Value::Array(items) => items.iter().for_each(|item| same(item, into)),
            Value::Object(members) if key == BY_NAME => {
                members.values().for_each(|member| same(member, into))
            }
            _ => same(inner, into),
        }
    }
}

/// Removes a reference wherever it judges the same value as the schema.
fn cut(schema: &mut Value, reference: &str) {
    let Some(members) = schema.as_object_mut() else { return };
    if members.get("$ref").and_then(Value::as_str) == Some(reference) {
        members.shift_remove("$ref");
    }
    for key in SAME {
        match members.get_mut(key) {
            Some(Value::Array(items)) => items.iter_mut().for_each(|item| cut(item, reference)),
            Some(Value::Object(members)) if key == BY_NAME => {
                members.values_mut().for_each(|member| cut(member, reference));
            }
            Some(inner) => cut(inner, reference),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn close(schemas: Value, roots: &[&str]) -> (Closure, usize) {
        let root = json!({ "openapi": "3.1.0", "components": { "schemas": schemas } });
        let mut schemas = Schemas::new(Document::new(&root).unwrap());
        let names = roots.iter().map(|name| {
            let reference = format!("#/components/schemas/{name}");
            schemas.datatypes.name(schemas.document, &reference).unwrap()
        });
        let names: BTreeSet<String> = names.collect();
        let closure = schemas.close(&names);
        (closure, schemas.remarks.finish().len())
    }

    #[test]
    fn only_what_is_reached_comes_along() {
        let tree = json!({
            "Tree": {"properties": {"children": {"items": {"$ref": "#/components/schemas/Tree"}}, "leaf": {"$ref": "#/components/schemas/Leaf"}}},
            "Leaf": {}, "Other": {}
        });
        let (closure, remarks) = close(tree, &["Tree"]);
        assert_eq!(closure.datatypes.keys().collect::<Vec<_>>(), ["Leaf", "Tree"]);
        assert_eq!(remarks, 0);
    }

    #[test]
    fn what_leads_out_of_the_document_breaks_its_users() {
        let schemas = json!({
            "A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {"$ref": "other.yaml"}, "C": {}
        });
        let (closure, _) = close(schemas, &["A", "C"]);
        assert_eq!(closure.datatypes.keys().collect::<Vec<_>>(), ["C"]);
        assert_eq!(closure.broken.keys().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn circles_that_judge_the_same_value_are_broken() {
        let schemas = json!({
            "A": {"allOf": [{"$ref": "#/components/schemas/B"}]}, "B": {"anyOf": [{"$ref": "#/components/schemas/A"}]},
            "Self": {"$ref": "#/components/schemas/Self"}
        });
        let (mut closure, remarks) = close(schemas, &["A", "Self"]);
        assert_eq!(remarks, 1);
        assert_eq!(closure.datatypes["Self"], json!({}));
        assert!(break_circles(&mut closure.datatypes).is_empty());
    }

    #[test]
    fn names_need_no_encoding() {
        for (reference, expect) in [
            ("#/components/schemas/Pet", "Pet"),
            ("#/components/schemas/Pet/properties/owner", "Pet_owner"),
            ("#/components/schemas/a%3Cb%3E", "a_3Cb_3E"),
            ("#/", "datatype"),
        ] {
            assert_eq!(readable(reference), expect);
        }
    }
}
