//! From a value to a document, by the rule of the crate.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::characters::{is_allowed, is_name};
use crate::error::{FormatError, FormatErrorCode, push_path, quote};
use crate::form::scalar;
use crate::limits::Limits;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Writes a value as an XML 1.0 document in UTF-8 with a declaration and no indentation.
///
/// Without `root` the value is the document: an object whose only key names the root element. With
/// `root` the value is that element. See the crate's documentation for the rule; attributes and
/// children come in the order of their object, text before the children.
///
/// # Errors
///
/// With the path of what is at fault in the value: [`FormatErrorCode::XmlShape`] without exactly one
/// root, for an array of arrays, or for an attribute or `#text` that is not a scalar;
/// [`FormatErrorCode::XmlName`] for a key, or a root, that XML does not allow as a name;
/// [`FormatErrorCode::XmlCharacter`] for text with a character that XML cannot say, such as U+0000;
/// and the limits on depth and bytes.
pub fn encode_xml(value: &Value, root: Option<&str>, limits: &Limits) -> Result<String, FormatError> {
    let mut writer = Writer { out: DECLARATION.to_owned(), path: String::new(), limits };
    match root {
        Some(name) => writer.element(name, value, 1)?,
        None => {
            let mut members = value.as_object().into_iter().flatten();
            let (Some((name, element)), None) = (members.next(), members.next()) else {
                return Err(writer.error(FormatErrorCode::XmlShape, "a document is an object with one key"));
            };
            writer.within(name, |writer| writer.element(name, element, 1))?;
        }
    }
    Ok(writer.out)
}

#[derive(Debug)]
struct Writer<'a> {
    out: String,
    /// JSON Pointer to the value under work.
    path: String,
    limits: &'a Limits,
}

impl Writer<'_> {
    fn element(&mut self, name: &str, value: &Value, depth: usize) -> Result<(), FormatError> {
        if depth > self.limits.deepest() {
            return Err(self.error(FormatErrorCode::TooDeep, self.limits.too_deep()));
        }
        self.check_name(name)?;
        self.out.push('<');
        self.out.push_str(name);
        match value {
            Value::Object(members) => {
                self.attributes(members)?;
                self.content(name, |writer| {
                    writer.text_of(members)?;
                    writer.children(members, depth + 1)
                })?;
            }
            other => {
                let text = self.scalar(other)?;
                self.content(name, |writer| writer.text(text.as_deref().unwrap_or("")))?;
            }
        }
        if self.out.len() > self.limits.bytes {
            let reason = format!("the document is larger than {} bytes", self.limits.bytes);
            return Err(self.error(FormatErrorCode::TooLarge, reason));
        }
        Ok(())
    }

    /// Writes the rest of an element whose start tag is still open.
    fn content(
        &mut self,
        name: &str,
        inner: impl FnOnce(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.out.push('>');
        let start = self.out.len();
        inner(self)?;
        if self.out.len() == start {
            self.out.truncate(start - 1);
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        Ok(())
    }

    fn attributes(&mut self, members: &Map<String, Value>) -> Result<(), FormatError> {
        for (key, value) in members {
            let Some(name) = key.strip_prefix('@') else { continue };
            self.within(key, |writer| {
                writer.check_name(name)?;
                let Some(text) = writer.scalar(value)? else { return Ok(()) };
                writer.out.push(' ');
                writer.out.push_str(name);
                writer.out.push_str("=\"");
                writer.escape(&text, true)?;
                writer.out.push('"');
                Ok(())
            })?;
        }
        Ok(())
    }

    fn text_of(&mut self, members: &Map<String, Value>) -> Result<(), FormatError> {
        let Some(value) = members.get("#text") else { return Ok(()) };
        self.within("#text", |writer| {
            let text = writer.scalar(value)?;
            writer.text(text.as_deref().unwrap_or(""))
        })
    }

    fn children(&mut self, members: &Map<String, Value>, depth: usize) -> Result<(), FormatError> {
        for (name, value) in members.iter().filter(|(key, _)| !key.starts_with('@') && *key != "#text") {
            self.within(name, |writer| match value {
                Value::Array(items) => {
                    // An empty array writes nothing, so its name is checked here.
                    writer.check_name(name)?;
                    items.iter().enumerate().try_for_each(|(index, item)| {
                        writer.within(&index.to_string(), |writer| writer.element(name, item, depth))
                    })
                }
                one => writer.element(name, one, depth),
            })?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), FormatError> {
        self.escape(text, false)
    }

    /// Writes text so that reading gives it back: white space that reading would change is a
    /// reference too.
    fn escape(&mut self, text: &str, attribute: bool) -> Result<(), FormatError> {
        for char in text.chars() {
            match char {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#13;"),
                '"' if attribute => self.out.push_str("&quot;"),
                '\t' if attribute => self.out.push_str("&#9;"),
                '\n' if attribute => self.out.push_str("&#10;"),
                other if is_allowed(other) => self.out.push(other),
                other => {
                    let reason = format!("XML cannot say the character U+{:04X}", u32::from(other));
                    return Err(self.error(FormatErrorCode::XmlCharacter, reason));
                }
            }
        }
        Ok(())
    }

    fn scalar<'v>(&self, value: &'v Value) -> Result<Option<Cow<'v, str>>, FormatError> {
        scalar(value).ok_or_else(|| {
            let reason = match value {
                Value::Array(_) => "an array where XML has no repeated element",
                _ => "an object where XML has only text",
            };
            self.error(FormatErrorCode::XmlShape, reason)
        })
    }

    fn check_name(&self, name: &str) -> Result<(), FormatError> {
        if is_name(name) {
            return Ok(());
        }
        Err(self.error(FormatErrorCode::XmlName, format!("`{}` is not a name in XML", quote(name))))
    }

    /// Does something with the path one member further.
    fn within(
        &mut self,
        key: &str,
        inner: impl FnOnce(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let length = self.path.len();
        push_path(&mut self.path, key);
        inner(self)?;
        self.path.truncate(length);
        Ok(())
    }

    fn error(&self, code: FormatErrorCode, reason: impl Into<String>) -> FormatError {
        FormatError::at(code, &self.path, reason)
    }
}
