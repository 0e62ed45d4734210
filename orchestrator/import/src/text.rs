//! From text to values, within bounds, and from values of ours to text for people.

use serde_json::Value;

use crate::ImportError;
use crate::bounds::{MAX_BYTES, MAX_DEPTH};

/// Reads a document, as JSON or YAML.
pub(crate) fn read(text: &str) -> Result<Value, ImportError> {
    if text.len() > MAX_BYTES {
        return Err(ImportError::TooLarge);
    }
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => {
            return Err(ImportError::Unreadable(error.to_string()));
        }
        Err(_) => {
            serde_saphyr::from_str(text).map_err(|error| ImportError::Unreadable(first_line(&error)))?
        }
    };
    if depth(&value) > MAX_DEPTH { Err(ImportError::TooDeep) } else { Ok(value) }
}

fn first_line(error: &serde_saphyr::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Readers bound the depth that can come here, so that this recursion has an end.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A document of ours as YAML, with lines of comment before it.
pub(crate) fn write(comment: &str, value: &Value) -> String {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    text.push_str(&serde_saphyr::to_string(value).expect("plain values with texts as keys"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
