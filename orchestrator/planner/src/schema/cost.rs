//! What validating a value may cost, before it is done: validators take every way through a schema, and a schema can be
//! written so that the ways have no end, or double at each level.

use std::collections::BTreeMap;

use serde_json::Value;

use super::target;

/// Most schemas that may be looked at for one value.
const WORK: u64 = 1_000_000;
/// Most schemas in a row that judge the same value.
const CHAIN: usize = 32;

/// Keywords with one schema for the same value.
const SAME_ONE: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords with several schemas for the same value.
const SAME_MANY: [&str; 5] = ["allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies"];
/// Keywords with schemas for the values inside.
const INSIDE_ONE: [&str; 7] = [
    "additionalProperties",
    "items",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
const INSIDE_MANY: [&str; 4] = ["properties", "patternProperties", "prefixItems", "items"];

/// Refuses a schema that would take too long on a value that nests so deep.
pub(super) fn check(schema: &Value, depth: usize) -> Result<(), String> {
    let mut counter = Counter { root: schema, known: BTreeMap::new() };
    match counter.cost(schema, depth, 0) {
        Some(cost) if cost <= WORK => Ok(()),
        Some(_) => Err("it has too many ways to judge a value that nests like this".to_owned()),
        None => Err("it refers to itself without end".to_owned()),
    }
}

/// How deep a value nests.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

struct Counter<'s> {
    root: &'s Value,
    /// The cost of a schema for a value of a depth; nothing while it is being counted.
    known: BTreeMap<(*const Value, usize), Option<u64>>,
}

impl<'s> Counter<'s> {
    /// How many schemas are looked at; nothing when there is no end.
    fn cost(&mut self, schema: &'s Value, depth: usize, chain: usize) -> Option<u64> {
        let key = (std::ptr::from_ref(schema), depth);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if chain > CHAIN {
            return None;
        }
        self.known.insert(key, None);
        let mut sum = 1_u64;
        for next in same(self.root, schema) {
            sum = sum.saturating_add(self.cost(next, depth, chain + 1)?);
        }
        if let Some(deeper) = depth.checked_sub(1) {
            for next in inside(schema) {
                sum = sum.saturating_add(self.cost(next, deeper, 0)?);
            }
        }
        self.known.insert(key, Some(sum));
        Some(sum)
    }
}

fn many<'s>(schema: &'s Value, key: &str) -> Vec<&'s Value> {
    match schema.get(key) {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Object(members)) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn same<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let references = ["$ref", "$dynamicRef", "$recursiveRef"].into_iter();
    let mut found: Vec<&Value> = references
        .filter_map(|key| schema.get(key).and_then(Value::as_str))
        .filter_map(|text| target(root, text))
        .collect();
    found.extend(SAME_ONE.iter().filter_map(|key| schema.get(*key)));
    found.extend(SAME_MANY.iter().flat_map(|key| many(schema, key)));
    found
}

fn inside(schema: &Value) -> Vec<&Value> {
    let mut found: Vec<&Value> = INSIDE_MANY
        .iter()
        // `items` is a schema or, in older drafts, a list of them.
        .filter(|key| **key != "items" || schema.get(**key).is_some_and(Value::is_array))
        .flat_map(|key| many(schema, key))
        .collect();
    found.extend(INSIDE_ONE.iter().filter_map(|key| schema.get(*key)).filter(|value| value.is_object()));
    found
}
