//! The document, and references within it.

use serde_json::{Map, Value};

use crate::ImportError;
use crate::bounds::HOPS;

/// Why an operation is left out: a clause that continues "since ...".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) String);

/// A document of OpenAPI 3.0 or 3.1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'d> {
    pub(crate) root: &'d Value,
    /// Whether schemas are those of OpenAPI 3.0, a dialect of its own.
    pub(crate) is_30: bool,
}

impl<'d> Document<'d> {
    /// # Errors
    /// When it is no document of a version that is known.
    pub(crate) fn new(root: &'d Value) -> Result<Self, ImportError> {
        let short = |text: &str| text.chars().take(20).collect::<String>();
        if let Some(swagger) = root.get("swagger") {
            let version = swagger.as_str().map_or_else(|| swagger.to_string(), str::to_owned);
            return Err(ImportError::Swagger(short(&version)));
        }
        match root.get("openapi") {
            Some(Value::String(version)) if is_version(version, "3.0") => Ok(Self { root, is_30: true }),
            Some(Value::String(version)) if is_version(version, "3.1") => Ok(Self { root, is_30: false }),
            Some(Value::String(version)) => Err(ImportError::Version(short(version))),
            // YAML without quotes: `openapi: 3.1`.
            Some(Value::Number(number)) if ["3.0", "3.1"].contains(&number.to_string().as_str()) => {
                Ok(Self { root, is_30: number.to_string() == "3.0" })
            }
            Some(other) => Err(ImportError::Version(short(&other.to_string()))),
            None => Err(ImportError::NotOpenApi),
        }
    }

    pub(crate) fn version(&self) -> String {
        match self.root.get("openapi") {
            Some(Value::String(version)) => version.clone(),
            other => other.map(Value::to_string).unwrap_or_default(),
        }
    }

    /// The value that a value stands for: itself, or what its `$ref` leads to.
    ///
    /// # Errors
    /// When a reference leads out of the document, to nothing, or in circles.
    pub(crate) fn resolve(&self, value: &'d Value) -> Result<&'d Value, Reason> {
        let mut value = value;
        for _ in 0..HOPS {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.target(reference)?,
                None => return Ok(value),
            }
        }
        Err(Reason("its references go in circles".to_owned()))
    }

    /// What a reference leads to.
    ///
    /// # Errors
    /// When it leads out of the document or to nothing.
    pub(crate) fn target(&self, reference: &str) -> Result<&'d Value, Reason> {
        let shown: String = reference.chars().take(120).collect();
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(Reason(format!("it refers to another document, `{shown}`")));
        };
        let found = self.root.pointer(&decode(fragment));
        found.ok_or_else(|| Reason(format!("`{shown}` is not in the document")))
    }

    /// A member of the root's `components`, resolved.
    pub(crate) fn component(&self, kind: &str, name: &str) -> Option<&'d Value> {
        self.resolve(self.root.get("components")?.get(kind)?.get(name)?).ok()
    }
}

fn is_version(text: &str, series: &str) -> bool {
    text.strip_prefix(series).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// The JSON Pointer of a URI fragment (RFC 6901, section 6).
fn decode(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text of an object, without blanks around it; nothing when it is empty.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

pub(crate) fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

pub(crate) fn object<'v>(value: &'v Value, key: &str) -> Option<&'v Map<String, Value>> {
    value.get(key).and_then(Value::as_object)
}

pub(crate) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_versions_that_are_known_are_read() {
        for (root, expect) in [
            (json!({"openapi": "3.0.4"}), "3.0"),
            (json!({"openapi": "3.1.1"}), "3.1"),
            (json!({"openapi": 3.1}), "3.1"),
            (json!({"openapi": "3.2.0"}), "this is a document of OpenAPI 3.2.0"),
            (json!({"openapi": "3.10.0"}), "this is a document of OpenAPI 3.10.0"),
            (json!({"swagger": "2.0"}), "this is a Swagger 2.0 document"),
            (json!({"swagger": 2.0}), "this is a Swagger 2.0 document"),
            (json!({}), "this is no OpenAPI document"),
            (json!([]), "this is no OpenAPI document"),
        ] {
            let got = match Document::new(&root) {
                Ok(document) => (if document.is_30 { "3.0" } else { "3.1" }).to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(got.starts_with(expect), "{root}: {got}");
        }
    }

    #[test]
    fn references_are_followed_within_the_document() {
        let root = json!({
            "openapi": "3.1.0",
            "components": {"x": {"a/b": {"$ref": "#/components/x/c%7Ed"}, "c~d": {"is": 1}, "e": {"$ref": "#/components/x/e"}}}
        });
        let document = Document::new(&root).unwrap();
        for (reference, expect) in [
            ("#/components/x/a~1b", r#"{"is":1}"#),
            ("#/components/x/e", "its references go in circles"),
            ("#/components/x/f", "`#/components/x/f` is not in the document"),
            ("other.yaml#/x", "it refers to another document, `other.yaml#/x`"),
        ] {
            let got = document.target(reference).and_then(|value| document.resolve(value));
            assert_eq!(got.map_or_else(|Reason(reason)| reason, Value::to_string), expect);
        }
    }
}
