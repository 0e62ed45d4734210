//! Writes the file as a person would: fields in the order of the documentation, small things on one line, texts without
//! quotes where they need none, defaults left out.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use sluice_declarative::Manifest;

/// Most characters of a list or mapping on one line, without its indentation.
const LINE: usize = 100;

/// The file of a connector. Reading it gives the same connector.
#[must_use]
pub fn to_yaml(manifest: &Manifest) -> String {
    let mut value = serde_json::to_value(manifest).expect("a manifest has only texts as keys");
    tidy(&mut value);
    let mut text = String::new();
    if let Value::Object(members) = &value {
        block_members(members, 0, &mut text);
    }
    text
}

/// Removes what says no more than its absence.
fn tidy(document: &mut Value) {
    if let Some(http) = document.get_mut("http") {
        forget(http, &[("timeout_seconds", json!(30)), ("max_response_bytes", json!(8 * 1024 * 1024))]);
    }
    match document.get_mut("auth") {
        Some(auth) if auth.get("all").is_some() => {
            forget(auth, &[("type", json!("none")), ("in", json!("header"))]);
            let all = auth["all"].as_array_mut().into_iter().flatten();
            all.filter(|one| one["type"] != "api_key")
                .for_each(|one| forget(one, &[("in", json!("header"))]));
        }
        Some(auth) if auth["type"] == "none" => {
            forget(document, &[("auth", json!({ "type": "none", "in": "header" }))])
        }
        Some(auth) if auth["type"] != "api_key" => forget(auth, &[("in", json!("header"))]),
        _ => {}
    }
    for action in document
        .get_mut("actions")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|all| all.values_mut())
    {
        forget(action, &[("response", json!({}))]);
        if let Some(request) = action.get_mut("request") {
            forget(request, &[("method", json!("GET"))]);
            if let Some(body) = request.get_mut("body") {
                forget(body, &[("format", json!("json"))]);
            }
        }
        if let Some(pagination) = action.get_mut("pagination") {
            forget(pagination, &[("max_pages", json!(10_000)), ("max_items", json!(1_000_000))]);
        }
    }
}

fn forget(value: &mut Value, defaults: &[(&str, Value)]) {
    let Some(members) = value.as_object_mut() else { return };
    for (key, default) in defaults {
        if members.get(*key) == Some(default) {
            members.shift_remove(*key);
        }
    }
}

fn block_members(members: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in members {
        pad(indent, out);
        out.push_str(&scalar_text(key, false));
        out.push(':');
        match value {
            // The two that everybody looks for always have the same form.
            Value::Object(inner) if indent == 0 && matches!(key.as_str(), "datatypes" | "actions") => {
                out.push('\n');
                block_members(inner, 2, out);
            }
            _ => block(value, indent, out),
        }
    }
}

/// A value behind a key.
fn block(value: &Value, indent: usize, out: &mut String) {
    if let Some(flow) = flow(value, LINE.saturating_sub(indent.min(60))) {
        out.push(' ');
        out.push_str(&flow);
        return out.push('\n');
    }
    match value {
        Value::Object(members) => {
            out.push('\n');
            block_members(members, indent + 2, out);
        }
        Value::Array(items) => {
            out.push('\n');
            for item in items {
                list_item(item, indent + 2, out);
            }
        }
        Value::String(text) if is_literal(text) => literal(text, indent + 2, out),
        scalar => {
            out.push(' ');
            out.push_str(&scalar_of(scalar, false));
            out.push('\n');
        }
    }
}

fn list_item(item: &Value, indent: usize, out: &mut String) {
    pad(indent, out);
    out.push('-');
    match item {
        Value::Object(members) if flow(item, LINE.saturating_sub(indent.min(60))).is_none() => {
            // The first member stands beside the hyphen.
            let mut inner = String::new();
            block_members(members, indent + 2, &mut inner);
            out.push(' ');
            out.push_str(inner.trim_start_matches(' '));
        }
        other => block(other, indent, out),
    }
}

fn pad(indent: usize, out: &mut String) {
    (0..indent).for_each(|_| out.push(' '));
}

/// A list or mapping, or a scalar, on one line, if it is short enough. What has prose in it is not put on one line.
fn flow(value: &Value, most: usize) -> Option<String> {
    let text = match value {
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| inner(item, most)).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                Some(format!("{}: {}", scalar_text(key, true), inner(value, most)?))
            };
            let members: Option<Vec<_>> = members.iter().map(member).collect();
            format!("{{ {} }}", members?.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    (text.chars().count() <= most).then_some(text)
}

fn inner(value: &Value, most: usize) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => flow(value, most),
        Value::String(text) if text.len() > most => None,
        scalar => Some(scalar_of(scalar, true)),
    }
}

fn scalar_of(value: &Value, in_flow: bool) -> String {
    match value {
        Value::String(text) => scalar_text(text, in_flow),
        other => other.to_string(),
    }
}

fn scalar_text(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) { text.to_owned() } else { quoted(text) }
}

/// Whether a text can stand without quotes, for every reader of YAML.
fn is_plain(text: &str, in_flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let begins =
        first.is_alphabetic() || matches!(first, '_' | '/' | '$' | '(' | '=' | '.' | '^') || is_version(text);
    let more = |letter: char| match letter {
        '[' | ']' | '{' | '}' | ',' => !in_flow,
        '\'' | '"' | '`' | '?' | '!' | '@' | '%' | '&' | '*' | '|' | '<' | '>' | '#' | '\\' | ';' | '~'
        | '^' => true,
        ' ' | '_' | '/' | '$' | '(' | ')' | '=' | '.' | '-' | '+' => true,
        ':' => !in_flow,
        other => other.is_alphanumeric(),
    };
    begins
        && text.chars().all(more)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !is_word(text)
}

/// Texts that some reader of YAML takes for something else.
fn is_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "."];
    words.contains(&lower.as_str())
        || lower.starts_with(".inf")
        || lower.starts_with(".nan")
        || (text.starts_with('.') && text.chars().nth(1).is_none_or(|letter| !letter.is_ascii_alphabetic()))
}

/// Whether a text is a version such as `1.0.0`, which is no number.
fn is_version(text: &str) -> bool {
    text.split('.').count() == 3
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A text in double quotes, in which JSON and YAML agree but for letters that YAML does not print.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if is_printable(other) => out.push(other),
            other if u32::from(other) <= 0xffff => drop(write!(out, "\\u{:04X}", u32::from(other))),
            other => drop(write!(out, "\\U{:08X}", u32::from(other))),
        }
    }
    out.push('"');
    out
}

/// YAML 1.2, production 1, without the letters that end lines or files.
fn is_printable(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Whether a text is better in lines of its own: it has several, and none that such a form would change.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with('\n')
        && text.chars().all(|letter| letter == '\n' || is_printable(letter))
        && text.lines().all(|line| !line.trim().is_empty() || line.is_empty())
}

fn literal(text: &str, indent: usize, out: &mut String) {
    out.push_str(" |-\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_quotes_where_they_need_them() {
        for (text, in_flow, expect) in [
            ("Pets", false, "Pets"),
            ("List pets, please", false, "List pets, please"),
            ("List pets, please", true, "\"List pets, please\""),
            ("$.input['a-b']", false, "$.input['a-b']"),
            ("= vars.url ? vars.url : 'x'", false, "\"= vars.url ? vars.url : 'x'\""),
            ("/pets/{id}", false, "/pets/{id}"),
            ("1.0.0", false, "1.0.0"),
            ("1.0", false, "\"1.0\""),
            ("yes", false, "\"yes\""),
            ("", false, "\"\""),
            ("a # b", false, "\"a # b\""),
            ("a: b", false, "\"a: b\""),
            ("\u{7}", false, "\"\\u0007\""),
            ("-", false, "\"-\""),
            ("\u{85}", false, "\"\\u0085\""),
        ] {
            assert_eq!(scalar_text(text, in_flow), expect, "{text}");
        }
    }

    #[test]
    fn values_are_written_for_people() {
        let value = json!({
            "a": { "type": "string" }, "list": ["x", 1, null], "none": [],
            "text": "one\n\n  two", "deep": [{ "long": "x".repeat(120), "b": [{}] }, [["x y"]]]
        });
        let mut out = String::new();
        block_members(value.as_object().unwrap(), 0, &mut out);
        let long = "x".repeat(120);
        let expect = format!(
            "a: {{ type: string }}\nlist: [x, 1, null]\nnone: []\ntext: |-\n  one\n\n    two\ndeep:\n  - long: {long}\n    \
             b: [{{}}]\n  - [[x y]]\n"
        );
        assert_eq!(out, expect);
        let back: Value = serde_saphyr::from_str(&out).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn several_ways_to_authorise_are_written_without_defaults() {
        let value = json!({
            "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
            "http": { "base_url": "https://a.test" },
            "auth": { "all": [{ "type": "api_key", "name": "X-App", "secret": "app_key" }, { "type": "basic" }] },
            "actions": { "get": { "title": "Get", "request": { "path": "/" } } },
        });
        let manifest = Manifest::from_value(&value).unwrap();
        let text = to_yaml(&manifest);
        let all = "[{ type: api_key, in: header, name: X-App, secret: app_key }, { type: basic }]";
        assert!(text.contains(&format!("auth: {{ all: {all} }}\n")), "{text}");
        assert_eq!(Manifest::from_value(&serde_saphyr::from_str(&text).unwrap()).unwrap(), manifest);
        assert_eq!(manifest.check(), []);
    }
}
