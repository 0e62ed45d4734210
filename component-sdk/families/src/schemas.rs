//! Metadata of other platforms as JSON Schema.
//!
//! There they describe messages to people who map them, and nobody checks them: many are written in the manner of the third
//! draft (`"required": true` at a property) or have types of no draft at all. Here schemas are checked, so what no draft of
//! today knows is said anew, or left out where it says nothing.

use serde_json::{Map, Value};

use crate::fields::is_true;

/// The types of JSON Schema, 2020-12, section 6.1.1 of its validation.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
/// Keywords that hold one schema.
const ONE: [&str; 6] = ["additionalProperties", "contains", "else", "if", "not", "then"];
/// Keywords that hold schemas by names.
const NAMED: [&str; 3] = ["$defs", "definitions", "properties"];
/// Keywords that hold a list of schemas.
const LISTED: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose value is a number.
const NUMBERS: [&str; 5] = ["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"];
/// Keywords whose value is a count.
const COUNTS: [&str; 6] =
    ["maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"];
/// How deep schemas are looked at; what is deeper says nothing.
const DEPTH: usize = 32;

/// The same schema in today's words.
pub(crate) fn mended(schema: &Value) -> Value {
    mend(schema, DEPTH)
}

fn mend(schema: &Value, depth: usize) -> Value {
    let Some(words) = schema.as_object().filter(|_| depth > 0) else {
        return if schema.is_boolean() { schema.clone() } else { Value::Object(Map::new()) };
    };
    let inner = |schema: &Value| mend(schema, depth - 1);
    let mut mended = Map::new();
    for (word, value) in words {
        let said = match word.as_str() {
            "type" => types(value),
            word if NAMED.contains(&word) => value
                .as_object()
                .map(|all| all.iter().map(|(name, one)| (name.clone(), inner(one))).collect()),
            "items" => match value {
                // One schema for each place: said otherwise today, and nothing that a mapping needs.
                Value::Array(_) => None,
                one => Some(inner(one)),
            },
            word if ONE.contains(&word) => Some(inner(value)),
            word if LISTED.contains(&word) => {
                value.as_array().filter(|all| !all.is_empty()).map(|all| all.iter().map(inner).collect())
            }
            word if NUMBERS.contains(&word) => Some(value.clone()).filter(Value::is_number),
            word if COUNTS.contains(&word) => Some(value.clone()).filter(Value::is_u64),
            "enum" => Some(value.clone()).filter(Value::is_array),
            "title" | "description" | "format" => Some(value.clone()).filter(Value::is_string),
            // Elsewhere there is nothing to be had.
            "$ref" => Some(value.clone()).filter(|to| to.as_str().is_some_and(|to| to.starts_with('#'))),
            "const" | "default" | "examples" => Some(value.clone()),
            // Said below, or for people only, or of no meaning here.
            _ => None,
        };
        if let Some(said) = said {
            mended.insert(word.clone(), said);
        }
    }
    let required = required(words);
    if !required.is_empty() {
        mended.insert("required".to_owned(), required.into());
    }
    Value::Object(mended)
}

/// The types that there are.
fn types(value: &Value) -> Option<Value> {
    let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    match value {
        Value::Array(all) if !all.is_empty() && all.iter().all(known) => Some(value.clone()),
        one if known(one) => Some(value.clone()),
        _ => None,
    }
}

/// What has to be there: as a list of today, or said at each property as it was once.
fn required(words: &Map<String, Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let listed = words.get("required").and_then(Value::as_array).into_iter().flatten();
    let properties = words.get("properties").and_then(Value::as_object).into_iter().flatten();
    let said = properties
        .filter(|(_, property)| is_true(&property["required"]))
        .map(|(name, _)| Value::from(name.as_str()));
    for name in listed.filter(|name| name.is_string()).cloned().chain(said) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_said_at_properties_is_said_at_their_object() {
        let old = json!({
            "type": "object",
            "properties": {
                "fireTime": { "type": "string", "format": "date-time", "required": true },
                "who": { "type": "object", "properties": { "name": { "type": "string", "required": "true" } } },
                "note": { "type": "string", "required": false },
            },
        });
        let new = json!({
            "type": "object",
            "required": ["fireTime"],
            "properties": {
                "fireTime": { "type": "string", "format": "date-time" },
                "who": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } },
                "note": { "type": "string" },
            },
        });
        assert_eq!(mended(&old), new);
        assert_eq!(mended(&new), new, "what is right stays");
    }

    #[test]
    fn words_of_no_draft_say_nothing() {
        let old = json!({
            "type": "date",
            "required": ["a", 1, "a"],
            "enum": "x",
            "properties": { "a": { "type": ["string", "null"], "minimum": "3" }, "b": "text" },
            "items": [{ "type": "string" }],
            "exclusiveMinimum": true,
            "oneOf": [],
        });
        let new = json!({
            "required": ["a"],
            "properties": { "a": { "type": ["string", "null"] }, "b": {} },
        });
        assert_eq!(mended(&old), new);
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop_oneof![Just("string"), Just("date"), Just("true"), Just("a")].prop_map(Value::from),
        ];
        let words: Vec<&str> = [
            ["type", "required", "enum", "items", "format", "title", "$ref", "const", "x"].as_slice(),
            &ONE,
            &NAMED,
            &LISTED,
            &NUMBERS,
            &COUNTS,
        ]
        .concat();
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(prop::sample::select(words.clone()), inner, 0..6)
                    .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_mended_needs_no_mending(value in anything()) {
            let once = mended(&value);
            prop_assert_eq!(mended(&once), once);
        }
    }
}
