//! Secrets that a connector does not have, or that are missing, or that stand among the settings.
//!
//! Only names are looked at: the values are not here.

use serde_json::{Map, Value};
use sluice_domain::Connector;

use crate::near::{quote, suggest};
use crate::places::escape;
use crate::schema::Violation;

/// What of the secrets does not fit; places begin with `at`.
pub(crate) fn faults(connector: &Connector, given: &[&str], at: &str) -> Vec<Violation> {
    let schema = connector.descriptor.secrets.as_ref();
    let declared = names(schema);
    let open = schema.is_some_and(|schema| {
        matches!(schema.get("additionalProperties"), Some(Value::Bool(true) | Value::Object(_)))
            || schema.get("patternProperties").is_some()
    });
    let unknown = given.iter().filter(|name| !open && !declared.contains(name)).map(|name| {
        let help = suggest(name, "secrets", declared.iter().copied());
        let message = format!("the connector `{}` has no secret {}: {help}", connector.name(), quote(name));
        Violation { pointer: format!("{at}/{}", escape(name)), keyword: String::new(), message }
    });
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|name| !given.contains(name)).map(|name| {
        let message = format!("the connector `{}` needs the secret {}", connector.name(), quote(name));
        Violation { pointer: at.to_owned(), keyword: String::new(), message }
    });
    unknown.chain(missing).collect()
}

/// Settings that are secrets.
pub(crate) fn in_settings(connector: &Connector, settings: &Map<String, Value>) -> Vec<Violation> {
    let secrets = names(connector.descriptor.secrets.as_ref());
    let plain = names(connector.descriptor.settings.as_ref());
    settings
        .keys()
        .filter(|name| secrets.contains(&name.as_str()) && !plain.contains(&name.as_str()))
        .map(|name| Violation {
            pointer: format!("/settings/{}", escape(name)),
            keyword: String::new(),
            message: format!("{} is a secret and belongs under `secrets`", quote(name)),
        })
        .collect()
}

/// The names that a schema declares.
fn names(schema: Option<&Value>) -> Vec<&str> {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect()
}
