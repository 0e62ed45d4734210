//! Keywords of schemas that hold no schemas: which JSON Schema 2020-12 knows, and what their values must be.

use jsonschema::PatternOptions;
use serde_json::{Number, Value, json};

use crate::bounds::is_within;

/// Formats that JSON Schema 2020-12 defines. Those of OpenAPI (`int32`, `password`) say nothing to its validators.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];
/// Most bytes of a compiled pattern, as validators allow.
const PATTERN_BYTES: usize = 1 << 20;
/// Deepest nesting of a default or a choice.
const VALUE_DEPTH: usize = 16;

/// What becomes of a keyword.
#[derive(Debug, PartialEq)]
pub(crate) enum Kept {
    /// It stays, perhaps in another form.
    Yes(Value),
    /// It goes without a word: it restricts nothing.
    Silently,
    /// It goes, and that should be known.
    No(String),
}

/// What becomes of a keyword that holds no schema.
pub(crate) fn keep(key: &str, value: &Value) -> Kept {
    let wrong = || Kept::No(format!("`{key}` was left out where its value breaks the rules of JSON Schema"));
    let when = |fits: bool| if fits { Kept::Yes(value.clone()) } else { wrong() };
    match key {
        "type" => types(value).map_or_else(wrong, Kept::Yes),
        "format" if value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {
            Kept::Yes(value.clone())
        }
        "title" | "description" => match value.as_str().map(crate::names::prose) {
            Some(text) if !text.is_empty() => Kept::Yes(Value::String(text)),
            _ => Kept::Silently,
        },
        "pattern" => match value.as_str() {
            Some(pattern) if compiles(pattern) => Kept::Yes(value.clone()),
            Some(_) => Kept::No(
                "`pattern` was left out where the engine for regular expressions cannot read it".to_owned(),
            ),
            None => wrong(),
        },
        "default" if !is_within(value, VALUE_DEPTH) => {
            Kept::No("`default` was left out where it nests too deep".to_owned())
        }
        "enum" | "const" if !is_within(value, VALUE_DEPTH) => {
            Kept::No(format!("`{key}` was left out where it nests too deep"))
        }
        "default" | "const" => Kept::Yes(value.clone()),
        "enum" => when(value.as_array().is_some_and(|choices| !choices.is_empty())),
        "multipleOf" => when(value.as_f64().is_some_and(|number| number > 0.0)),
        "maximum" | "minimum" | "exclusiveMaximum" | "exclusiveMinimum" => when(value.is_number()),
        "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties"
        | "maxContains" | "minContains" => count(value).map_or_else(wrong, Kept::Yes),
        "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => when(value.is_boolean()),
        "required" => match names(value) {
            Some(names) if names.is_empty() => Kept::Silently,
            Some(names) => Kept::Yes(Value::Array(names)),
            None => wrong(),
        },
        "dependentRequired" => {
            let fits = |members: &serde_json::Map<String, Value>| {
                members
                    .values()
                    .all(|value| names(value).is_some_and(|names| Some(&names) == value.as_array()))
            };
            when(value.as_object().is_some_and(fits))
        }
        "contentEncoding" | "contentMediaType" => when(value.is_string()),
        "discriminator" => {
            Kept::No("`discriminator` was left out: it restricts nothing in JSON Schema".to_owned())
        }
        "$dynamicRef" | "$recursiveRef" => {
            Kept::No(format!("`{key}` was left out: it would allow any value here"))
        }
        _ => Kept::Silently,
    }
}

fn types(value: &Value) -> Option<Value> {
    let is_type = |value: &Value| value.as_str().is_some_and(|text| TYPES.contains(&text));
    match value {
        Value::String(_) => is_type(value).then(|| value.clone()),
        Value::Array(types) if !types.is_empty() && types.iter().all(is_type) => {
            names(value).map(Value::Array)
        }
        _ => None,
    }
}

/// Texts, each once.
fn names(value: &Value) -> Option<Vec<Value>> {
    let mut names: Vec<Value> = Vec::new();
    for name in value.as_array()? {
        if !name.is_string() {
            return None;
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Some(names)
}

/// A number of things, also where it is written as `10.0`.
fn count(value: &Value) -> Option<Value> {
    if let Some(count) = value.as_u64() {
        return Some(Value::Number(Number::from(count)));
    }
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))?;
    format!("{number}").parse::<u64>().ok().map(|count| Value::Number(Number::from(count)))
}

/// Whether validators take a pattern: it is one of ECMA-262, as JSON Schema wants, and needs no looking around.
pub(crate) fn compiles(pattern: &str) -> bool {
    let schema = json!({ "pattern": pattern });
    let options = PatternOptions::regex().size_limit(PATTERN_BYTES);
    jsonschema::meta::is_valid(&schema)
        && jsonschema::options().offline().with_pattern_options(options).build(&schema).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_stay_when_their_values_fit() {
        for (key, value, expect) in [
            ("type", json!("string"), Some(json!("string"))),
            ("type", json!(["string", "null", "null"]), Some(json!(["string", "null"]))),
            ("type", json!("file"), None),
            ("format", json!("date-time"), Some(json!("date-time"))),
            ("format", json!("int32"), None),
            ("pattern", json!("^[a-z]+$"), Some(json!("^[a-z]+$"))),
            ("pattern", json!("(?<!a)b"), None),
            ("pattern", json!(r"a\d"), Some(json!(r"a\d"))),
            ("pattern", json!(r"a\a"), None),
            ("required", json!(true), None),
            ("required", json!(["a", "a"]), Some(json!(["a"]))),
            ("minLength", json!(3.0), Some(json!(3))),
            ("minLength", json!("3"), None),
            ("maxItems", json!(-1), None),
            ("enum", json!([]), None),
            ("example", json!(1), None),
            ("xml", json!({}), None),
            ("x-anything", json!({}), None),
            ("multipleOf", json!(0), None),
            ("description", json!("a \r\nb"), Some(json!("a\nb"))),
        ] {
            let got = match keep(key, &value) {
                Kept::Yes(value) => Some(value),
                Kept::Silently | Kept::No(_) => None,
            };
            assert_eq!(got, expect, "{key}: {value}");
        }
    }
}
