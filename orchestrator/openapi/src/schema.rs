//! Schemas of OpenAPI become JSON Schema 2020-12.
//!
//! References to anything in the document become references to datatypes of the connector.

use serde_json::{Map, Value, json};

use crate::bounds::SCHEMA_DEPTH;
use crate::datatypes::Datatypes;
use crate::document::{Document, Reason, flag};
use crate::keyword::{Kept, compiles, keep};
use crate::report::Remarks;

/// Keywords with one schema.
const ONE: [&str; 11] = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords with a list of schemas.
const LIST: [&str; 4] = ["prefixItems", "allOf", "anyOf", "oneOf"];
/// Keywords with schemas by name.
const BY_NAME: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];

/// What turns schemas.
#[derive(Debug)]
pub(crate) struct Schemas<'d> {
    pub(crate) document: Document<'d>,
    pub(crate) datatypes: Datatypes,
    pub(crate) remarks: Remarks,
}

impl<'d> Schemas<'d> {
    pub(crate) fn new(document: Document<'d>) -> Self {
        Self { document, datatypes: Datatypes::default(), remarks: Remarks::default() }
    }

    /// A schema of an operation or datatype; `place` is what remarks name.
    ///
    /// # Errors
    /// When it refers to another document or to nothing.
    pub(crate) fn convert(&mut self, schema: &Value, place: &str) -> Result<Value, Reason> {
        self.schema(schema, place, SCHEMA_DEPTH)
    }

    fn schema(&mut self, schema: &Value, place: &str, room: usize) -> Result<Value, Reason> {
        let members = match schema {
            Value::Object(members) => members,
            Value::Bool(any) => return Ok(Value::Bool(*any)),
            _ => {
                self.remarks.part(place, "a schema that is no object was left out");
                return Ok(json!({}));
            }
        };
        let Some(room) = room.checked_sub(2) else {
            self.remarks.part(place, "schemas were left out where they nest too deep");
            return Ok(json!({}));
        };
        let mut out = Map::new();
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            let name = self.datatypes.name(self.document, reference)?;
            out.insert("$ref".to_owned(), Value::String(format!("#/datatypes/{name}")));
        }
        // Beside a reference OpenAPI 3.0 ignores everything; a description does no harm and is often meant.
        let only_description = self.document.is_30 && !out.is_empty();
        for (key, value) in members {
            if key != "$ref" && (!only_description || key == "description") {
                self.keyword(key, value, &mut out, place, room)?;
            }
        }
        if self.document.is_30 {
            bounds_of_30(members, &mut out);
            if flag(schema, "nullable") && !only_description {
                nullable(&mut out);
            }
        }
        Ok(Value::Object(out))
    }

    fn keyword(
        &mut self,
        key: &str,
        value: &Value,
        out: &mut Map<String, Value>,
        place: &str,
        room: usize,
    ) -> Result<(), Reason> {
        if key == "items" && value.is_array() {
            return self.keyword("prefixItems", value, out, place, room);
        }
        if ONE.contains(&key) {
            out.insert(key.to_owned(), self.schema(value, place, room)?);
        } else if LIST.contains(&key) {
            let Some(schemas) = value.as_array().filter(|schemas| !schemas.is_empty()) else { return Ok(()) };
            let schemas: Result<Vec<_>, _> =
                schemas.iter().map(|schema| self.schema(schema, place, room)).collect();
            out.insert(key.to_owned(), Value::Array(schemas?));
        } else if BY_NAME.contains(&key) {
            let Some(schemas) = value.as_object() else { return Ok(()) };
            let mut turned = Map::new();
            for (name, schema) in schemas {
                if key == "patternProperties" && !compiles(name) {
                    self.remarks
                        .part(place, "`patternProperties` was left out where its pattern cannot be read");
                    continue;
                }
                turned.insert(name.clone(), self.schema(schema, place, room)?);
            }
            out.insert(key.to_owned(), Value::Object(turned));
        } else if self.document.is_30 && key.starts_with("exclusiveM") && value.is_boolean() {
            // See `bounds_of_30`.
        } else {
            match keep(key, value) {
                Kept::Yes(value) => drop(out.insert(key.to_owned(), value)),
                Kept::No(why) => self.remarks.part(place, why),
                Kept::Silently => {}
            }
        }
        Ok(())
    }
}

/// In OpenAPI 3.0 `exclusiveMinimum` is a flag beside `minimum`.
fn bounds_of_30(members: &Map<String, Value>, out: &mut Map<String, Value>) {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if members.get(flag) == Some(&Value::Bool(true))
            && let Some(number) = out.shift_remove(bound)
        {
            out.insert(flag.to_owned(), number);
        }
    }
}

/// In OpenAPI 3.0 `nullable` adds `null` to what a schema allows.
fn nullable(out: &mut Map<String, Value>) {
    if let Some(Value::Array(choices)) = out.get_mut("enum")
        && !choices.contains(&Value::Null)
    {
        choices.push(Value::Null);
    }
    let is_combined = ["$ref", "allOf", "anyOf", "oneOf", "not"].iter().any(|key| out.contains_key(*key));
    if let Some(kind) = out.get_mut("type") {
        if kind.is_string() {
            *kind = json!([kind.take(), "null"]);
        }
    } else if is_combined {
        let description = out.shift_remove("description");
        let inner = std::mem::take(out);
        out.extend(description.map(|description| ("description".to_owned(), description)));
        out.insert("anyOf".to_owned(), json!([inner, { "type": "null" }]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Remark;

    fn turn(version: &str, schema: Value) -> (Result<Value, Reason>, Vec<Remark>) {
        let root = json!({
            "openapi": version,
            "components": {"schemas": {"Pet": {"type": "object"}, "a/b c": {}}}
        });
        let mut schemas = Schemas::new(Document::new(&root).unwrap());
        let got = schemas.convert(&schema, "here");
        (got, schemas.remarks.finish())
    }

    #[track_caller]
    fn check(version: &str, schema: Value, expect: Value) {
        assert_eq!(turn(version, schema).0.unwrap(), expect);
    }

    #[test]
    fn schemas_of_30_become_those_of_2020_12() {
        for (schema, expect) in [
            (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
            (
                json!({"type": "string", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/Pet"}], "nullable": true, "description": "d"}),
                json!({"description": "d", "anyOf": [{"allOf": [{"$ref": "#/datatypes/Pet"}]}, {"type": "null"}]}),
            ),
            (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
            (json!({"minimum": 1, "exclusiveMinimum": false}), json!({"minimum": 1})),
            (
                json!({"$ref": "#/components/schemas/Pet", "type": "string", "description": "d"}),
                json!({"$ref": "#/datatypes/Pet", "description": "d"}),
            ),
            (json!({"$ref": "#/components/schemas/a~1b%20c"}), json!({"$ref": "#/datatypes/a_b_c"})),
            (
                json!({"type": "object", "properties": {"a": {"example": 1, "xml": {}, "x-y": 1, "format": "int64"}}}),
                json!({"type": "object", "properties": {"a": {}}}),
            ),
        ] {
            check("3.0.3", schema, expect);
        }
    }

    #[test]
    fn schemas_of_31_stay_what_they_are() {
        for (schema, expect) in [
            (json!({"type": ["string", "null"]}), json!({"type": ["string", "null"]})),
            (json!({"exclusiveMinimum": 1}), json!({"exclusiveMinimum": 1})),
            (json!({"exclusiveMinimum": true}), json!({})),
            (
                json!({"$ref": "#/components/schemas/Pet", "required": ["a"]}),
                json!({"$ref": "#/datatypes/Pet", "required": ["a"]}),
            ),
            (json!({"oneOf": [true, {"const": 1}]}), json!({"oneOf": [true, {"const": 1}]})),
            (json!({"items": [{"const": 1}]}), json!({"prefixItems": [{"const": 1}]})),
            (json!({"patternProperties": {"(?=a)": {}, "b": {}}}), json!({"patternProperties": {"b": {}}})),
            (json!({"nullable": true, "type": "string"}), json!({"type": "string"})),
        ] {
            check("3.1.0", schema, expect);
        }
    }

    #[test]
    fn what_leads_nowhere_is_a_reason_to_leave_out() {
        for (reference, expect) in [
            ("#/components/schemas/None", "`#/components/schemas/None` is not in the document"),
            ("pet.yaml", "it refers to another document, `pet.yaml`"),
        ] {
            let got = turn("3.1.0", json!({"items": {"$ref": reference}})).0.unwrap_err();
            assert_eq!(got.0, expect);
        }
    }

    #[test]
    fn what_goes_is_told() {
        let (_, remarks) = turn("3.0.0", json!({"pattern": "(?=a)", "discriminator": {"propertyName": "x"}}));
        let messages: Vec<_> =
            remarks.iter().map(|remark| remark.message.split(' ').next().unwrap()).collect();
        assert_eq!(messages, ["`discriminator`", "`pattern`"]);
    }

    #[test]
    fn depth_ends_somewhere() {
        let deep = (0..150).fold(json!({}), |inner, _| json!({ "items": inner }));
        let (got, remarks) = turn("3.0.0", deep);
        assert!(crate::bounds::is_within(&got.unwrap(), SCHEMA_DEPTH));
        assert_eq!(remarks.len(), 1);
    }
}
