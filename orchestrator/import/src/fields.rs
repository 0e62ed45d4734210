//! The fields of a node: what becomes the config of a step, and what may not.

use serde_json::{Map, Value};

use crate::expression::escaped;
use crate::finding::{FindingCode, Findings};
use crate::object::{is_empty, shown, token};

/// What names of secrets end with, in lower case and without anything but letters.
const SECRETS: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "passphrase",
    "authorization",
    "credentials",
    "credential",
];

/// What texts of fields tell of the component.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// It reads earlier steps by itself.
    pub(crate) passthrough: bool,
}

/// The config that fields make: texts that no mapping takes for expressions, and no secrets.
pub(crate) fn config(
    fields: &Map<String, Value>,
    place: &str,
    findings: &mut Findings,
) -> (Map<String, Value>, Told) {
    let mut told = Told::default();
    let mut kept = Map::new();
    for (key, value) in fields {
        let place = format!("{place}/{}", token(key));
        if let Some(value) = field(key, value, &place, &mut told, findings) {
            kept.insert(key.clone(), value);
        }
    }
    (kept, told)
}

fn field(key: &str, value: &Value, place: &str, told: &mut Told, findings: &mut Findings) -> Option<Value> {
    let inner = |key: &str, value: &Value, told: &mut Told, findings: &mut Findings| {
        field(key, value, &format!("{place}/{}", token(key)), told, findings)
    };
    match value {
        Value::String(text) if !text.is_empty() && (is_secret(key) || has_password(text)) => {
            let message = format!("`{}` looks like a secret", shown(key));
            findings.add(FindingCode::SecretLeftOut, place, message);
            None
        }
        Value::String(text) => {
            look(text, place, told, findings);
            Some(Value::String(escaped(text)))
        }
        Value::Array(items) => {
            let items = items
                .iter()
                .enumerate()
                .filter_map(|(at, item)| inner(&at.to_string(), item, told, findings));
            Some(Value::Array(items.collect()))
        }
        Value::Object(members) => {
            let mut kept = Map::new();
            for (key, value) in members {
                if let Some(value) = inner(key, value, told, findings) {
                    kept.insert(key.clone(), value);
                }
            }
            Some(Value::Object(kept))
        }
        Value::Null => None,
        other => Some(other.clone()),
    }
}

/// What a text says that the component does by itself.
fn look(text: &str, place: &str, told: &mut Told, findings: &mut Findings) {
    if text.contains("getPassthrough") || text.contains("elasticio.") || text.contains("msg.passthrough") {
        told.passthrough = true;
    }
    if text.contains("getFlowVariables") {
        findings.add(FindingCode::Variables, place, "the component reads flow variables");
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("x-eio-routing-key") || text.contains("httpReply") {
        findings.add(FindingCode::OnTheFly, place, "the component chooses where its messages go");
    }
    if text == "run-next-steps" {
        findings.add(FindingCode::LogicGateway, place, "the component chooses the next steps");
    }
}

/// Whether a name is that of a secret.
fn is_secret(key: &str) -> bool {
    let letters: String =
        key.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    SECRETS.iter().any(|end| letters.ends_with(end))
}

/// Whether a text is a URL with a password in it.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = host.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

/// Whether there is anything in fields.
pub(crate) fn any(fields: &Map<String, Value>) -> bool {
    fields.values().any(|value| !is_empty(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_stay_where_they_are() {
        let fields = json!({
            "user": "u", "password": "p", "api_key": "k", "url": "amqp://a:b@host/", "page": "https://host/a:b@c",
            "headers": [{ "Authorization": "Bearer x", "accept": "json" }], "tokenUrl": "https://a", "token": "",
        });
        let mut findings = Findings::default();
        let (config, _) = config(fields.as_object().unwrap(), "/f", &mut findings);
        let expect = json!({
            "user": "u", "page": "https://host/a:b@c", "headers": [{ "accept": "json" }], "tokenUrl": "https://a",
            "token": "",
        });
        assert_eq!(Value::Object(config), expect);
        let places: Vec<String> = findings.finish().into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["/f/password", "/f/api_key", "/f/url", "/f/headers/0/Authorization"]);
    }

    #[test]
    fn texts_stay_literals_and_tell_of_the_component() {
        let fields = json!({
            "expression": "$.a = $getPassthrough().step_1.body.b", "code": "this.emit('httpReply', x)",
            "other": "$getFlowVariables().a", "rule": { "command": "run-next-steps" }, "gone": null,
        });
        let mut findings = Findings::default();
        let (config, told) = config(fields.as_object().unwrap(), "", &mut findings);
        assert_eq!(config["expression"], "\\$.a = $getPassthrough().step_1.body.b");
        assert!(told.passthrough && !config.contains_key("gone"));
        let codes: Vec<_> = findings.finish().into_iter().map(|found| found.code).collect();
        assert_eq!(codes, [FindingCode::OnTheFly, FindingCode::Variables, FindingCode::LogicGateway]);
    }
}
