//! Parameters: defaults filled in, then checked.

use serde_json::{Map, Value};

use super::Demand;
use crate::near::{quote, suggest};
use crate::schema::{UNKNOWN_NAME, target, violations};
use crate::{Code, Diagnostic, Report};

/// How deep defaults are looked for; a schema may refer to itself.
const DEPTH: usize = 32;
/// How many schemas are looked at for defaults.
const WORK: usize = 100_000;

/// The parameters with the template's defaults; nothing when they do not fit.
pub(super) fn resolve(demand: &Demand<'_>, report: &mut Report) -> Option<Value> {
    let doc = demand.doc;
    let mut add = |code, pointer: &str, message: String| {
        let mark = doc.places.at(&format!("/parameters{pointer}"));
        report.push(Diagnostic::new(code, &doc.file, mark, message));
    };
    let given = match &demand.params {
        Value::Null => Map::new(),
        Value::Object(given) => given.clone(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            add(Code::Parameter, "", "the parameters must be an object".to_owned());
            return None;
        }
    };
    let nothing = Value::Object(Map::new());
    let schema = doc.template.parameters.as_ref().unwrap_or(&nothing);
    let unknown = unknown(schema, &given);
    for (name, known) in &unknown {
        let help = suggest(name, "parameters", known.iter().map(String::as_str));
        add(Code::UnknownParameter, "", format!("the template has no parameter {}: {help}", quote(name)));
    }
    let mut params = Value::Object(given);
    Filler { root: schema, left: WORK }.fill(schema, &mut params, DEPTH);
    // A wrong schema is a fault of the template and reported there.
    let faults = violations(schema, &params).unwrap_or_default();
    for fault in &faults {
        // Unknown names are reported above, with what they were meant to be.
        let top = fault.pointer.matches('/').count() == 1;
        if !(top && fault.keyword == UNKNOWN_NAME) {
            let name = fault.pointer.split('/').nth(1).unwrap_or_default();
            let place = if name.is_empty() { String::new() } else { format!("/properties/{name}") };
            let at =
                if fault.pointer.is_empty() { String::new() } else { format!("{}: ", quote(&fault.pointer)) };
            add(Code::Parameter, &place, format!("{at}{}", fault.message));
        }
    }
    (unknown.is_empty() && faults.is_empty()).then_some(params)
}

/// The given names that are not declared, each with the declared ones.
fn unknown(schema: &Value, given: &Map<String, Value>) -> Vec<(String, Vec<String>)> {
    let others = schema.get("additionalProperties");
    let refers =
        ["$ref", "allOf", "anyOf", "oneOf", "patternProperties"].iter().any(|key| schema.get(key).is_some());
    if refers || matches!(others, Some(Value::Bool(true) | Value::Object(_))) {
        return Vec::new();
    }
    let declared = schema.get("properties").and_then(Value::as_object);
    let names: Vec<String> = declared.into_iter().flat_map(|map| map.keys()).cloned().collect();
    let unknown = given.keys().filter(|name| !names.contains(*name));
    unknown.map(|name| (name.clone(), names.clone())).collect()
}

/// Fills in defaults.
struct Filler<'s> {
    root: &'s Value,
    /// How many more schemas may be looked at: a schema that refers to itself from several places has no end.
    left: usize,
}

impl<'s> Filler<'s> {
    /// Fills in the defaults of everything that is not given.
    fn fill(&mut self, schema: &Value, value: &mut Value, depth: usize) {
        let (Some(left), Some(depth)) = (self.left.checked_sub(1), depth.checked_sub(1)) else { return };
        self.left = left;
        if let Some(next) = self.referred(schema) {
            self.fill(next, value, depth);
        }
        match value {
            Value::Object(members) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                for (name, property) in properties.into_iter().flatten() {
                    if let Some(member) = members.get_mut(name) {
                        self.fill(property, member, depth);
                    } else if let Some(member) = self.default(property, depth) {
                        members.insert(name.clone(), member);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(item) = schema.get("items") {
                    items.iter_mut().for_each(|value| self.fill(item, value, depth));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// What stands for a value that is not given: its default, or an object of the defaults in it, if that is all that
    /// the object needs.
    fn default(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(1)?;
        if let Some(value) = schema.get("default") {
            let mut value = value.clone();
            self.fill(schema, &mut value, depth);
            return Some(value);
        }
        if let Some(next) = self.referred(schema) {
            return self.default(next, depth);
        }
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return None;
        }
        let mut value = Value::Object(Map::new());
        self.fill(schema, &mut value, depth);
        let members = value.as_object().filter(|members| !members.is_empty())?;
        let required = schema.get("required").and_then(Value::as_array);
        let whole =
            required.into_iter().flatten().filter_map(Value::as_str).all(|name| members.contains_key(name));
        whole.then_some(value)
    }

    fn referred(&self, schema: &Value) -> Option<&'s Value> {
        schema.get("$ref").and_then(Value::as_str).and_then(|text| target(self.root, text))
    }
}
