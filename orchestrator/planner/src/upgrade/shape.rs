//! How two JSON Schemas differ in what they let through, as far as their structure tells.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::schema::target;

/// Whether the schema is of what goes into a function or of what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) breaking: bool,
    pub(super) reason: String,
}

/// How deep schemas are compared, and how many references are followed on the way down.
const DEPTH: usize = 12;
/// Most differences that are told of one schema.
const SHOWN: usize = 50;
/// What says something about a schema and nothing about values.
const NOTES: [&str; 8] =
    ["title", "description", "examples", "default", "$comment", "$defs", "definitions", "datatypes"];
/// The types of JSON Schema.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
/// What is compared by its meaning.
const JUDGED: [&str; 6] = ["type", "properties", "required", "items", "enum", "additionalProperties"];

/// The differences between two schemas of a value. A schema that is not there takes everything and promises nothing.
pub(super) fn differences(way: Way, before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let nothing = Value::Bool(true);
    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let empty = Map::new();
    let mut found = Comparison { way, roots: (before, after), empty: &empty, found: Vec::new() };
    found.compare(before, after, "", DEPTH);
    found.found.truncate(SHOWN);
    found.found
}

struct Comparison<'s> {
    way: Way,
    roots: (&'s Value, &'s Value),
    empty: &'s Map<String, Value>,
    found: Vec<Difference>,
}

impl<'s> Comparison<'s> {
    fn add(&mut self, breaking: bool, path: &str, reason: &str) {
        let reason = if path.is_empty() { reason.to_owned() } else { format!("`{path}`: {reason}") };
        self.found.push(Difference { breaking, reason });
    }

    fn compare(&mut self, before: &'s Value, after: &'s Value, path: &str, depth: usize) {
        let before = followed(self.roots.0, before);
        let after = followed(self.roots.1, after);
        if before == after && depth < DEPTH {
            // The same text, but what it refers to may differ; that is told where it is reached with another text.
            if !refers(before) {
                return;
            }
        }
        if depth == 0 || self.found.len() >= SHOWN {
            return;
        }
        let old = before.as_object().unwrap_or(self.empty);
        let new = after.as_object().unwrap_or(self.empty);
        self.types(old, new, path);
        self.choices(old, new, path);
        self.required(old, new, path);
        self.properties(old, new, path, depth);
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.compare(old, new, &format!("{path}[]"), depth - 1);
        }
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let others = names.into_iter().filter(|name| {
            !NOTES.contains(&name.as_str())
                && !JUDGED.contains(&name.as_str())
                && !name.starts_with('$')
                && old.get(*name) != new.get(*name)
        });
        for name in others {
            let loosened = self.way == Way::In && !new.contains_key(name);
            self.add(!loosened, path, &format!("`{name}` differs"));
        }
    }

    fn types(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let (old, new) = (types(old), types(new));
        let all = |types: &BTreeSet<String>| match types.len() == TYPES.len() {
            true => "anything".to_owned(),
            // Every integer is a number.
            false => {
                let integers = |name: &&String| *name == "integer" && types.contains("number");
                let told = types.iter().filter(|name| !integers(name));
                told.map(String::as_str).collect::<Vec<_>>().join(" or ")
            }
        };
        // Fewer types are taken, or more come out.
        let broken = match self.way {
            Way::In => old.difference(&new).next().is_some(),
            Way::Out => new.difference(&old).next().is_some(),
        };
        if old != new {
            self.add(broken, path, &format!("it is {} instead of {}", all(&new), all(&old)));
        }
    }

    fn choices(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let (before, after) =
            (old.get("enum").and_then(Value::as_array), new.get("enum").and_then(Value::as_array));
        let (narrow, wide) = match self.way {
            Way::In => (after, before),
            Way::Out => (before, after),
        };
        if before == after {
            return;
        }
        let broken = match (narrow, wide) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(narrow), Some(wide)) => wide.iter().any(|value| !narrow.contains(value)),
        };
        self.add(broken, path, "its choices differ");
    }

    fn required(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let (old, new) = (required(old), required(new));
        for name in new.difference(&old) {
            let at = join(path, name);
            match self.way {
                Way::In => self.add(true, &at, "it is demanded now"),
                Way::Out => self.add(false, &at, "it always comes now"),
            }
        }
        for name in old.difference(&new) {
            let at = join(path, name);
            match self.way {
                Way::In => self.add(false, &at, "it is no longer demanded"),
                Way::Out => self.add(true, &at, "it no longer always comes"),
            }
        }
    }

    fn properties(
        &mut self,
        old: &'s Map<String, Value>,
        new: &'s Map<String, Value>,
        path: &str,
        depth: usize,
    ) {
        let of = |schema: &'s Map<String, Value>| schema.get("properties").and_then(Value::as_object);
        let closed = new.get("additionalProperties") == Some(&Value::Bool(false));
        let was_closed = old.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, before) in of(old).into_iter().flatten() {
            let at = join(path, name);
            match of(new).and_then(|new| new.get(name)) {
                Some(after) => self.compare(before, after, &at, depth - 1),
                None => self.add(self.way == Way::Out || closed, &at, "it is gone"),
            }
        }
        for name in of(new).into_iter().flatten().map(|(name, _)| name) {
            if of(old).is_none_or(|old| !old.contains_key(name)) {
                self.add(false, &join(path, name), "it is new");
            }
        }
        if self.way == Way::In && closed && !was_closed {
            self.add(true, path, "it takes no other names any more");
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The types that a schema takes.
fn types(schema: &Map<String, Value>) -> BTreeSet<String> {
    let named = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => TYPES.to_vec(),
    };
    let mut types: BTreeSet<String> = named.into_iter().map(str::to_owned).collect();
    // Every integer is a number.
    if types.contains("number") {
        types.insert("integer".to_owned());
    }
    types
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.contains_key("$ref") || members.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What a schema refers to, when it does.
fn followed<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut at = schema;
    for _ in 0..DEPTH {
        let Some(reference) = at.get("$ref").and_then(Value::as_str) else { return at };
        let Some(next) = target(root, reference) else { return at };
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(way: Way, before: &Value, after: &Value) -> Vec<String> {
        let found = differences(way, Some(before), Some(after));
        let mark = |difference: &Difference| if difference.breaking { "!" } else { "" };
        found.iter().map(|difference| format!("{}{}", mark(difference), difference.reason)).collect()
    }

    #[test]
    fn what_goes_in_may_be_loosened_and_what_comes_out_narrowed() {
        let narrow = json!({ "type": "object", "required": ["a"], "properties": { "a": { "enum": [1] } } });
        let wide = json!({ "type": "object", "properties": { "a": { "enum": [1, 2] } } });
        assert_eq!(
            told(Way::In, &narrow, &wide),
            ["`a`: it is no longer demanded", "`a`: its choices differ"]
        );
        assert_eq!(told(Way::In, &wide, &narrow), ["!`a`: it is demanded now", "!`a`: its choices differ"]);
        assert_eq!(told(Way::Out, &wide, &narrow), ["`a`: it always comes now", "`a`: its choices differ"]);
        assert_eq!(
            told(Way::Out, &narrow, &wide),
            ["!`a`: it no longer always comes", "!`a`: its choices differ"]
        );
    }

    #[test]
    fn names_come_and_go() {
        let old = json!({ "properties": { "a": {}, "b": { "type": "number" } } });
        let new = json!({ "properties": { "b": { "type": "integer" }, "c": {} } });
        assert_eq!(
            told(Way::In, &old, &new),
            ["`a`: it is gone", "!`b`: it is integer instead of number", "`c`: it is new"]
        );
        assert_eq!(
            told(Way::Out, &old, &new),
            ["!`a`: it is gone", "`b`: it is integer instead of number", "`c`: it is new"]
        );
        let closed = json!({ "properties": { "b": { "type": "number" } }, "additionalProperties": false });
        assert_eq!(told(Way::In, &old, &closed), ["!`a`: it is gone", "!it takes no other names any more"]);
    }

    #[test]
    fn a_schema_without_a_type_takes_anything() {
        let (open, text) = (json!({ "description": "x" }), json!({ "type": "string" }));
        assert_eq!(told(Way::In, &open, &text), ["!it is string instead of anything"]);
        assert_eq!(told(Way::In, &text, &open), ["it is anything instead of string"]);
    }

    #[test]
    fn references_are_followed_and_rounds_end() {
        let schema = |kind: &str| {
            json!({
                "properties": { "one": { "$ref": "#/$defs/node" } },
                "$defs": { "node": { "properties": { "next": { "$ref": "#/$defs/node" }, "v": { "type": kind } } } },
            })
        };
        let found = told(Way::In, &schema("string"), &schema("null"));
        assert!(found.len() < DEPTH, "{found:?}");
        assert!(found.contains(&"!`one.v`: it is null instead of string".to_owned()), "{found:?}");
        assert_eq!(told(Way::In, &schema("string"), &schema("string")), [""; 0]);
    }

    #[test]
    fn what_cannot_be_judged_is_told() {
        let (old, new) = (json!({ "pattern": "a" }), json!({ "pattern": "b" }));
        assert_eq!(told(Way::In, &old, &new), ["!`pattern` differs"]);
        assert_eq!(told(Way::In, &old, &json!({})), ["`pattern` differs"]);
        assert_eq!(told(Way::In, &json!({ "title": "a" }), &json!({ "title": "b" })), [""; 0]);
    }

    #[test]
    fn a_schema_that_is_not_there_takes_everything() {
        let schema = json!({ "type": "object", "required": ["a"] });
        let found = differences(Way::In, None, Some(&schema));
        assert!(found.iter().any(|difference| difference.breaking), "{found:?}");
        assert!(differences(Way::In, None, None).is_empty());
        assert!(!differences(Way::In, Some(&schema), None).iter().any(|difference| difference.breaking));
    }
}
