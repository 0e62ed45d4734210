//! The document that a mapping reads, in both shapes that evaluation needs.
//!
//! JSONPath reads the JSON value itself; JSONata needs the library's own value type. The conversion
//! happens at most once per root, when the first JSONata expression is evaluated, however many
//! expressions and mappings then use it. Keep one root for all mappings of a message.

use std::borrow::Cow;
use std::cell::OnceCell;

use jsonata_core::value::JValue;
use serde_json::Value;

use crate::value::to_jvalue;

/// A root document `{ body, headers, item, steps, params, flow, execution, attempt }`, or any
/// document at all for `sluice map`. Belongs to one thread.
#[derive(Debug)]
pub struct Root<'a> {
    value: Cow<'a, Value>,
    converted: OnceCell<Converted>,
}

/// The document as JSONata sees it, with its approximate size as JSON text.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) value: JValue,
    pub(crate) bytes: usize,
}

impl<'a> Root<'a> {
    /// A root over a document that the caller keeps.
    pub fn new(value: &'a Value) -> Self {
        Root { value: Cow::Borrowed(value), converted: OnceCell::new() }
    }

    /// A root that holds a body alone, for expressions that read nothing else of it; its text is read straight into
    /// JSONata's values. None when it is no JSON, or nests too deep.
    pub(crate) fn of_body(text: &str) -> Option<Root<'static>> {
        let document = format!(r#"{{"body":{text}}}"#);
        let value: JValue = serde_json::from_str(&document).ok()?;
        let converted = OnceCell::from(Converted { value, bytes: document.len() });
        Some(Root { value: Cow::Owned(Value::Null), converted })
    }

    /// The document.
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn converted(&self) -> &Converted {
        self.converted.get_or_init(|| {
            let mut bytes = 0;
            let value = to_jvalue(&self.value, &mut bytes);
            Converted { value, bytes }
        })
    }
}

impl From<Value> for Root<'static> {
    fn from(value: Value) -> Self {
        Root { value: Cow::Owned(value), converted: OnceCell::new() }
    }
}
