//! Makes tokens of the members of an answer (RFC 6749, section 5.1).

use secrecy::SecretString;
use serde_json::{Map, Value};
use sluice_ports::oauth::{Endpoint, OAuthError, Tokens};

use crate::answer::{Answer, seconds, take};

/// Members that are never kept in the open, wherever they are.
const SECRET: [&str; 6] =
    ["access_token", "refresh_token", "id_token", "client_secret", "device_secret", "bot_access_token"];

/// What the members of an answer come to.
pub(crate) fn tokens(
    answer: &Answer,
    mut members: Map<String, Value>,
    endpoint: &Endpoint,
) -> Result<Tokens, OAuthError> {
    let fields = &endpoint.fields;
    let access = take(&mut members, &fields.access_token).and_then(token);
    let access = access.ok_or_else(|| answer.malformed("it has no access token"))?;
    let refresh = take(&mut members, &fields.refresh_token).and_then(token);
    let expires_in = take(&mut members, &fields.expires_in).as_ref().and_then(seconds);
    let scopes = take(&mut members, &fields.scope).and_then(|scope| scopes(&scope, endpoint.scope_separator));
    let token_type = match take(&mut members, &fields.token_type) {
        Some(Value::String(name)) if !name.is_empty() => name,
        _ => "Bearer".to_owned(),
    };
    without_secrets(&mut members);
    Ok(Tokens { access, refresh, expires_in, scopes, token_type, extra: members })
}

fn token(value: Value) -> Option<SecretString> {
    match value {
        Value::String(text) if !text.is_empty() => Some(SecretString::from(text)),
        _ => None,
    }
}

/// A list, or a text with the separator, spaces (RFC 6749, section 3.3), or else commas between scopes.
fn scopes(value: &Value, separator: char) -> Option<Vec<String>> {
    let split = |text: &str, between: &dyn Fn(char) -> bool| -> Vec<String> {
        text.split(between).map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    };
    match value {
        Value::String(text) if text.contains(|c: char| c == separator || c.is_whitespace()) => {
            Some(split(text, &|c| c == separator || c.is_whitespace()))
        }
        Value::String(text) => Some(split(text, &|c| c == ',')),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn without_secrets(members: &mut Map<String, Value>) {
    members.retain(|name, _| !SECRET.contains(&name.as_str()));
    members.values_mut().for_each(clean);
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(members) => without_secrets(members),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scopes_come_in_several_ways() {
        let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        for (value, separator, expect) in [
            (json!("read write"), ' ', list(&["read", "write"])),
            (json!("read,write"), ' ', list(&["read", "write"])),
            (json!("read,write"), ',', list(&["read", "write"])),
            (json!("a,b c"), ' ', list(&["a,b", "c"])),
            (json!(["read"]), ' ', list(&["read"])),
            (json!(""), ' ', list(&[])),
            (json!(7), ' ', None),
        ] {
            assert_eq!(scopes(&value, separator), expect, "{value}");
        }
    }
}
