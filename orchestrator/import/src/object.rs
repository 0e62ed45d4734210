//! Objects of a document, read field by field, so that no field is passed over in silence.

use serde_json::{Map, Value};

use crate::finding::{FindingCode, Findings};

/// A value that says no more than its absence.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A token of a JSON Pointer.
pub(crate) fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// An object and the fields of it that nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct Object {
    /// Where it stands.
    pub(crate) place: String,
    members: Map<String, Value>,
    what: &'static str,
}

impl Object {
    /// The object at a place; a finding when it is something else.
    pub(crate) fn of(
        value: &Value,
        place: &str,
        what: &'static str,
        findings: &mut Findings,
    ) -> Option<Self> {
        let Value::Object(members) = value else {
            findings.add(FindingCode::WrongForm, place, format!("{what} is not an object"));
            return None;
        };
        Some(Self { place: place.to_owned(), members: members.clone(), what })
    }

    /// The place of a field.
    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}/{}", self.place, token(key))
    }

    /// Takes a field that says something.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.members.shift_remove(key).filter(|value| !is_empty(value))
    }

    /// Takes a text; a finding when it is something else.
    pub(crate) fn text(&mut self, key: &str, findings: &mut Findings) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                findings.add(FindingCode::WrongForm, &self.at(key), format!("`{key}` is not a text"));
                None
            }
        }
    }

    /// Takes a list; nothing of something else, with a finding.
    pub(crate) fn list(&mut self, key: &str, findings: &mut Findings) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                findings.add(FindingCode::WrongForm, &self.at(key), format!("`{key}` is not a list"));
                Vec::new()
            }
        }
    }

    /// Takes fields that are about the record, not about what the flow does, and says so once.
    pub(crate) fn facts(&mut self, keys: &[&str], findings: &mut Findings) {
        let there: Vec<String> =
            keys.iter().filter(|key| self.take(key).is_some()).map(|key| format!("`{key}`")).collect();
        if !there.is_empty() {
            let message = format!("{} has facts about its record: {}", self.what, there.join(", "));
            findings.add(FindingCode::Facts, &self.place, message);
        }
    }

    /// Names every field that nobody asked for.
    pub(crate) fn finish(self, findings: &mut Findings) {
        for (key, value) in &self.members {
            if !is_empty(value) {
                let message = format!("`{}` of {} is not known", shown(key), self.what);
                findings.add(FindingCode::UnknownField, &self.at(key), message);
            }
        }
    }
}

/// A text of the document in a sentence.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}
