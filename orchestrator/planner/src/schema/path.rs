//! Whether data that fits a schema can have a value at a path.
//!
//! The answer is careful: whatever is not understood can exist.

use std::cell::Cell;

use serde_json::Value;
use sluice_mapping::Segment;

use super::target;
use crate::near::nearest;

/// Most schemas that are looked at for one path.
const WORK: usize = 1000;

/// What a schema says about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may exist.
    Possible,
    /// It cannot; with the segment that fails, and what it was probably meant to be.
    Impossible { segment: String, meant: Option<String> },
}

/// Judges a path. `exact` is for JSONPath, which does not look through arrays by itself as JSONata does.
pub(crate) fn judge(schema: &Value, segments: &[Segment], exact: bool) -> Verdict {
    Walk { root: schema, exact, left: Cell::new(WORK) }.walk(schema, segments, 32)
}

struct Walk<'s> {
    root: &'s Value,
    exact: bool,
    /// How many more schemas may be looked at: choices of choices have no end.
    left: Cell<usize>,
}

impl Walk<'_> {
    fn walk(&self, schema: &Value, segments: &[Segment], fuel: usize) -> Verdict {
        let Some((segment, rest)) = segments.split_first() else { return Verdict::Possible };
        let (Some(fuel), Some(members)) = (fuel.checked_sub(1), schema.as_object()) else {
            return Verdict::Possible;
        };
        let Some(left) = self.left.get().checked_sub(1) else { return Verdict::Possible };
        self.left.set(left);
        if let Some(found) = members.get("$ref").and_then(Value::as_str) {
            return target(self.root, found)
                .map_or(Verdict::Possible, |next| self.walk(next, segments, fuel));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = members.get(key).and_then(Value::as_array) {
                let verdicts: Vec<_> =
                    choices.iter().map(|choice| self.walk(choice, segments, fuel)).collect();
                let possible = verdicts.contains(&Verdict::Possible);
                return verdicts.into_iter().next().filter(|_| !possible).unwrap_or(Verdict::Possible);
            }
        }
        if ["allOf", "if", "patternProperties", "unevaluatedProperties"]
            .iter()
            .any(|key| members.contains_key(*key))
        {
            return Verdict::Possible;
        }
        match segment {
            Segment::Name(name) => self.name(schema, name, segments, rest, fuel),
            Segment::Index(index) => self.index(schema, *index, rest, fuel),
        }
    }

    fn name(
        &self,
        schema: &Value,
        name: &str,
        segments: &[Segment],
        rest: &[Segment],
        fuel: usize,
    ) -> Verdict {
        let impossible = |meant: Option<&str>| Verdict::Impossible {
            segment: name.to_owned(),
            meant: meant.map(str::to_owned),
        };
        let is = |kind| allows(schema, kind);
        if !self.exact
            && is("array")
            && let Some(items) = schema.get("items")
        {
            return self.walk(items, segments, fuel);
        }
        if !is("object") {
            return if !self.exact && is("array") { Verdict::Possible } else { impossible(None) };
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Verdict::Possible;
        };
        if let Some(property) = properties.get(name) {
            return self.walk(property, rest, fuel);
        }
        let meant = nearest(name, properties.keys().map(String::as_str));
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => impossible(meant),
            // Other names are allowed, but one that is almost a declared one is probably a slip.
            None if meant.is_some() => impossible(meant),
            Some(other) => self.walk(other, rest, fuel),
            None => Verdict::Possible,
        }
    }

    fn index(&self, schema: &Value, index: i64, rest: &[Segment], fuel: usize) -> Verdict {
        if !allows(schema, "array") {
            // In JSONata `x[0]` of a single value is that value.
            return if self.exact {
                Verdict::Impossible { segment: index.to_string(), meant: None }
            } else {
                self.walk(schema, rest, fuel)
            };
        }
        match schema.get("items") {
            Some(items) if schema.get("prefixItems").is_none() => self.walk(items, rest, fuel),
            _ => Verdict::Possible,
        }
    }
}

/// Whether a schema allows values of a type.
fn allows(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &[&str], exact: bool, expect: Option<&str>) {
        let schema = json!({
            "type": "object",
            "properties": {
                "customer": {"type": "object", "properties": {"email": {"type": "string"}}},
                "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {}}, "additionalProperties": false}}
            }
        });
        let segments: Vec<Segment> = path
            .iter()
            .map(|part| part.parse().map_or_else(|_| Segment::Name((*part).to_owned()), Segment::Index))
            .collect();
        match (judge(&schema, &segments, exact), expect) {
            (Verdict::Possible, None) => {}
            (Verdict::Impossible { segment, .. }, Some(expect)) if segment == expect => {}
            (got, _) => panic!("{path:?}: {got:?}"),
        }
    }

    #[test]
    fn a_path_that_the_schema_rules_out_is_impossible() {
        check(&["customer", "email"], true, None);
        check(&["custmer", "email"], true, Some("custmer"));
        check(&["somethingelse"], true, None);
        check(&["customer", "email", "domain"], true, Some("domain"));
        check(&["lines", "sku"], true, Some("sku"));
        check(&["lines", "sku"], false, None);
        check(&["lines", "0", "sku"], true, None);
        check(&["lines", "0", "price"], true, Some("price"));
        check(&["lines", "price"], false, Some("price"));
    }
}
