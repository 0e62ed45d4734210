//! The input of an action: one property for each parameter, and `body`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::names::{is_plain, unique};

/// The property with the body of a request.
pub(crate) const BODY: &str = "body";

/// The input while it is built.
#[derive(Debug, Default)]
pub(crate) struct Input {
    properties: Map<String, Value>,
    required: Vec<Value>,
    taken: BTreeSet<String>,
}

/// A property of the input, as expressions name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property(pub(crate) String);

impl Input {
    /// A new input. Where there is a body, no parameter gets its name.
    pub(crate) fn new(has_body: bool) -> Self {
        let taken = if has_body { BTreeSet::from([BODY.to_owned()]) } else { BTreeSet::new() };
        Self { taken, ..Self::default() }
    }

    /// Adds a property. Where its name is taken already, `place` is appended.
    pub(crate) fn add(&mut self, name: &str, place: &str, schema: Value, required: bool) -> Property {
        let mut name: String =
            name.chars().map(|letter| if is_quotable(letter) { letter } else { '_' }).collect();
        if self.taken.contains(&name) {
            name = format!("{name}_{place}");
        }
        let name = unique(&name, 256, &mut self.taken);
        if required {
            self.required.push(Value::String(name.clone()));
        }
        self.properties.insert(name.clone(), schema);
        Property(name)
    }

    /// Adds the body.
    pub(crate) fn add_body(&mut self, schema: Value, required: bool) -> Property {
        if required {
            self.required.push(json!(BODY));
        }
        self.properties.insert(BODY.to_owned(), schema);
        Property(BODY.to_owned())
    }

    /// The schema; nothing where there is no property.
    pub(crate) fn schema(self) -> Option<Value> {
        if self.properties.is_empty() {
            return None;
        }
        let mut schema = json!({ "type": "object" });
        if !self.required.is_empty() {
            schema["required"] = Value::Array(self.required);
        }
        schema["properties"] = Value::Object(self.properties);
        Some(schema)
    }
}

/// Whether a letter may stand in a name between quotes or backticks, as it is.
pub(crate) fn is_quotable(letter: char) -> bool {
    (letter == ' ' || letter.is_ascii_graphic() || letter.is_alphanumeric())
        && !matches!(letter, '\'' | '"' | '\\' | '`')
}

impl Property {
    /// A JSONPath.
    pub(crate) fn path(&self) -> String {
        format!("$.input{}", step(&self.0))
    }

    /// A JSONPath of a member of it.
    pub(crate) fn member(&self, name: &str) -> String {
        format!("$.input{}{}", step(&self.0), step(name))
    }

    /// A path of JSONata.
    pub(crate) fn jsonata(&self) -> String {
        if is_plain(&self.0) { format!("input.{}", self.0) } else { format!("input.`{}`", self.0) }
    }
}

/// A step of a JSONPath (RFC 9535, section 2.3.1).
pub(crate) fn step(name: &str) -> String {
    if is_plain(name) { format!(".{name}") } else { format!("['{name}']") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, path, jsonata) in [
            ("id", "$.input.id", "input.id"),
            ("a-b", "$.input['a-b']", "input.`a-b`"),
            ("filter[x]", "$.input['filter[x]']", "input.`filter[x]`"),
            ("it's", "$.input.it_s", "input.it_s"),
        ] {
            let property = Input::default().add(name, "query", json!({}), false);
            assert_eq!((property.path().as_str(), property.jsonata().as_str()), (path, jsonata));
        }
    }

    #[test]
    fn names_that_are_taken_get_their_place() {
        let mut input = Input::new(true);
        for (name, place, expect) in [
            ("id", "path", "id"),
            ("id", "query", "id_query"),
            ("id_query", "header", "id_query_header"),
            ("body", "query", "body_query"),
        ] {
            assert_eq!(input.add(name, place, json!({}), true).0, expect);
        }
        input.add_body(json!({}), true);
        let required = json!(["id", "id_query", "id_query_header", "body_query", "body"]);
        assert_eq!(input.schema().unwrap()["required"], required);
    }
}
