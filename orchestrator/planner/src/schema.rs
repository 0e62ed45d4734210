//! JSON Schema: what a schema says against a value, and whether a path can exist in it.

mod cost;
mod path;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

pub(crate) use path::{Verdict, judge};

/// Most violations that are reported for one value.
const SHOWN: usize = 50;
/// Most bytes of a compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;

/// The keyword of violations that are about a name which should not be there.
pub(crate) const UNKNOWN_NAME: &str = "additionalProperties";

/// What of a value breaks a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the value, as a JSON Pointer.
    pub pointer: String,
    /// The keyword of the schema.
    pub keyword: String,
    /// One sentence.
    pub message: String,
}

/// What of a value breaks a schema, at most 50 faults. Nothing is fetched, and a schema that would take too long is wrong.
///
/// # Errors
/// When the schema itself is wrong, with why.
pub fn violations(schema: &Value, value: &Value) -> Result<Vec<Violation>, String> {
    cost::check(schema, cost::depth(value))?;
    let validator = jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
        .build(schema)
        .map_err(|error| crate::read::clean(&error.to_string()))?;
    Ok(validator.iter_errors(value).take(SHOWN).flat_map(|error| named(&error)).collect())
}

/// What is wrong with a schema, by the rules of its draft: at most 50 faults.
#[must_use]
pub fn faults(schema: &Value) -> Vec<Violation> {
    if let Ok(validator) = jsonschema::meta::validator_for(schema) {
        let faults: Vec<_> =
            validator.iter_errors(schema).take(SHOWN).map(|error| violation(&error)).collect();
        if !faults.is_empty() {
            return faults;
        }
    }
    match violations(schema, &Value::Null) {
        Ok(_) => Vec::new(),
        Err(message) => vec![Violation { pointer: String::new(), keyword: String::new(), message }],
    }
}

/// The violations that an error stands for: one for each name that a value should not have, at that name.
fn named(error: &ValidationError<'_>) -> Vec<Violation> {
    let (ValidationErrorKind::AdditionalProperties { unexpected }
    | ValidationErrorKind::UnevaluatedProperties { unexpected }) = error.kind()
    else {
        return vec![violation(error)];
    };
    let known = error.instance_path().as_str();
    let one = |name: &String| Violation {
        pointer: format!("{known}/{}", crate::places::escape(name)),
        keyword: UNKNOWN_NAME.to_owned(),
        message: format!("{} is not a name that the schema knows", crate::near::quote(name)),
    };
    unexpected.iter().map(one).collect()
}

fn violation(error: &ValidationError<'_>) -> Violation {
    Violation {
        pointer: error.instance_path().as_str().to_owned(),
        keyword: error.kind().keyword().to_owned(),
        message: crate::read::clean(&error.to_string()),
    }
}

/// The sub-schema that a reference within the same schema means.
pub(crate) fn target<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let fragment = reference.strip_prefix('#')?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment.replace("%25", "%"));
    }
    anchor(root, fragment)
}

fn anchor<'s>(value: &'s Value, name: &str) -> Option<&'s Value> {
    match value {
        Value::Object(members) => {
            let named = ["$anchor", "$dynamicAnchor"];
            if named.iter().any(|key| members.get(*key).and_then(Value::as_str) == Some(name)) {
                return Some(value);
            }
            members.values().find_map(|member| anchor(member, name))
        }
        Value::Array(items) => items.iter().find_map(|item| anchor(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_that_refers_to_itself_without_end_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            json!({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}),
            json!({"not": {"$ref": "#"}}),
        ] {
            assert!(violations(&schema, &json!({})).is_err(), "{schema}");
            assert!(!faults(&schema).is_empty(), "{schema}");
        }
    }

    #[test]
    fn a_schema_whose_ways_double_at_each_level_is_refused() {
        let again = json!({"properties": {"a": {"$ref": "#"}}});
        let schema = json!({"anyOf": [again, again]});
        let deep = (0..60).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert!(violations(&schema, &deep).is_err());
        assert_eq!(violations(&schema, &json!({"a": {"a": 1}})), Ok(Vec::new()));
    }

    #[test]
    fn a_schema_of_trees_is_fine() {
        let schema =
            json!({"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": false});
        assert_eq!(violations(&schema, &json!({"child": {"child": {}}})), Ok(Vec::new()));
        assert_eq!(violations(&schema, &json!({"child": {"chld": {}}})).unwrap()[0].pointer, "/child/chld");
        assert_eq!(faults(&schema), Vec::new());
    }

    #[test]
    fn nothing_is_fetched() {
        assert!(violations(&json!({"$ref": "https://example.com/x.json"}), &json!({})).is_err());
        assert!(violations(&json!({"$ref": "file:///etc/passwd"}), &json!({})).is_err());
    }

    #[test]
    fn a_wrong_schema_is_named_by_its_place() {
        let faults = faults(&json!({"type": "object", "properties": {"a": {"type": "numbr"}}}));
        assert!(faults[0].pointer.starts_with("/properties/a"), "{faults:?}");
    }
}
