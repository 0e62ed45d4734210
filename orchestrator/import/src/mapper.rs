//! Mappers as mappings of ours.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::expression::{Remark, Scope, escaped, quoted, translate};
use crate::finding::{FindingCode, Findings};
use crate::model::Mapper;
use crate::object::{is_empty, shown, token};

/// A mapping of ours.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The `input` of a step; nothing when nothing of the mapper could be kept.
    pub(crate) input: Option<Value>,
    /// The flow variables that it reads.
    pub(crate) variables: BTreeSet<String>,
}

struct Mapping<'m> {
    scope: &'m Scope<'m>,
    is_handlebars: bool,
    findings: &'m mut Findings,
    variables: BTreeSet<String>,
}

/// Makes a mapping of a mapper. A field that cannot be translated is left out with a finding.
pub(crate) fn input(mapper: &Mapper, scope: &Scope<'_>, findings: &mut Findings) -> Made {
    if mapper.is_handlebars {
        findings.add(FindingCode::Handlebars, &mapper.place, "the mapper is written in Handlebars");
    }
    let mut mapping =
        Mapping { scope, is_handlebars: mapper.is_handlebars, findings, variables: BTreeSet::new() };
    let input = mapping.value(&mapper.value, &mapper.place);
    Made { input, variables: mapping.variables }
}

impl Mapping<'_> {
    fn value(&mut self, value: &Value, place: &str) -> Option<Value> {
        match value {
            value if is_empty(value) && !value.is_array() && !value.is_object() => None,
            Value::String(text) => self.text(text, place),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.filter_map(|(at, item)| self.value(item, &format!("{place}/{at}")));
                Some(Value::Array(items.collect()))
            }
            Value::Object(members) => {
                let mut made = Map::new();
                for (key, member) in members {
                    let place = format!("{place}/{}", token(key));
                    if key.contains('.') {
                        let message = format!("the key `{}` is kept as it is", shown(key));
                        self.findings.add(FindingCode::DottedKey, &place, message);
                    }
                    if let Some(member) = self.value(member, &place) {
                        made.insert(key.clone(), member);
                    }
                }
                Some(Value::Object(made))
            }
            scalar => Some(scalar.clone()),
        }
    }

    fn text(&mut self, text: &str, place: &str) -> Option<Value> {
        let done = if self.is_handlebars {
            handlebars(text).map(|value| (value, Vec::new()))
        } else {
            translate(text, self.scope).map(|done| {
                self.variables.extend(done.variables);
                (done.value, done.remarks)
            })
        };
        match done {
            Ok((value, remarks)) => {
                for (code, message) in remarks {
                    self.findings.add(code, place, message);
                }
                Some(value)
            }
            Err((code, message)) => {
                self.findings.add(code, place, message);
                None
            }
        }
    }
}

/// A condition as a JSONata expression of ours, without the `=`.
pub(crate) fn condition(
    text: &str,
    place: &str,
    scope: &Scope<'_>,
    findings: &mut Findings,
) -> Option<(String, BTreeSet<String>)> {
    match translate(text, scope) {
        Ok(done) => {
            for (code, message) in done.remarks {
                findings.add(code, place, message);
            }
            Some((done.source, done.variables))
        }
        Err((code, message)) => {
            findings.add(code, place, message);
            None
        }
    }
}

/// Whether a mapper that does not say so is written in Handlebars.
pub(crate) fn looks_like_handlebars(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(looks_like_handlebars),
        Value::Object(members) => members.values().any(looks_like_handlebars),
        _ => false,
    }
}

/// A Handlebars template as JSONata: its literal parts and its paths, joined.
fn handlebars(text: &str) -> Result<Value, Remark> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(literal(before));
        }
        let raw = behind.starts_with('{');
        let (path, behind) = match raw {
            true => behind[1..].split_once("}}}"),
            false => behind.split_once("}}"),
        }
        .ok_or_else(|| (FindingCode::NotRead, format!("`{}` ends inside of a placeholder", shown(text))))?;
        let path = path_of(path.trim().trim_start_matches("this."))
            .ok_or_else(|| (FindingCode::NoHelpers, format!("`{}` is no plain path", shown(path.trim()))))?;
        parts.push(path);
        rest = behind;
    }
    if parts.is_empty() {
        return Ok(Value::String(escaped(text)));
    }
    if !rest.is_empty() {
        parts.push(literal(rest));
    }
    Ok(Value::String(match parts.as_slice() {
        [one] => format!("= $string({one})"),
        many => format!("= {}", many.join(" & ")),
    }))
}

/// A text in JSONata.
fn literal(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// `a.b.[0].c` as a path from the body.
fn path_of(path: &str) -> Option<String> {
    let mut made = "body".to_owned();
    for part in path.split(['.', '/']) {
        let part = part.trim_start_matches('[').trim_end_matches(']');
        let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '@');
        if part.is_empty() || !part.chars().all(plain) || part.starts_with('@') {
            return None;
        }
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            made.push_str(&format!("[{part}]"));
        } else {
            made.push_str(&format!(".{}", quoted(part)));
        }
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::expression::Scheme;

    #[track_caller]
    fn check(value: Value, is_handlebars: bool, expect: Value, codes: &[FindingCode]) {
        let steps = BTreeMap::from([("step_1".to_owned(), "step_1".to_owned())]);
        let scope = Scope { scheme: Scheme::Body, steps: &steps };
        let mut findings = Findings::default();
        let mapper = Mapper { place: "/m".to_owned(), value, is_handlebars };
        assert_eq!(input(&mapper, &scope, &mut findings).input, Some(expect));
        let found: Vec<_> = findings.finish().into_iter().map(|found| found.code).collect();
        assert_eq!(found, codes);
    }

    #[test]
    fn each_field_is_an_expression() {
        let mapper = json!({
            "to": "\"test@example.com\"", "text": "Address.Street", "count": 3, "none": "", "a.b": "c",
            "deep": { "list": ["x", "elasticio.step_1.body.y"] }, "bad": "x +", "moment": "$moment()",
        });
        let expect = json!({
            "to": "test@example.com", "text": "= body.Address.Street", "count": 3, "a.b": "= body.c",
            "deep": { "list": ["= body.x", "= steps.step_1.body.y"] },
        });
        check(mapper, false, expect, &[FindingCode::NotRead, FindingCode::NotHere, FindingCode::DottedKey]);
        let whole = "{\n  \"name\": pets[0].name\n}";
        check(json!(whole), false, json!("= {\n  \"name\": body.pets[0].name\n}"), &[]);
    }

    #[test]
    fn handlebars_become_paths_and_texts() {
        let mapper = json!({
            "first": "{{first}}", "kind": "html", "whole": "Dear {{person.first-name}} {{{last}}}!", "odd": "$.x",
            "item": "{{list.[0].sku}}", "each": "{{#each list}}x{{/each}}", "open": "{{a",
        });
        let expect = json!({
            "first": "= $string(body.first)", "kind": "html",
            "whole": "= \"Dear \" & body.person.`first-name` & \" \" & body.last & \"!\"", "odd": "\\$.x",
            "item": "= $string(body.list[0].sku)",
        });
        use FindingCode::{Handlebars, NoHelpers, NotRead};
        check(mapper, true, expect, &[NoHelpers, NotRead, Handlebars]);
    }
}
