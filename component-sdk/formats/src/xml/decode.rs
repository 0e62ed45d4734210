//! From a document to a value, without recursion: a stack of open elements, closed one by one.
//!
//! quick-xml finds the markup; what it leaves to its caller is checked here: one root, allowed names,
//! attributes once each, nothing unresolved.

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use super::characters::{is_blank, is_name, resolve};
use super::encoding::{document, place};
use crate::error::{FormatError, FormatErrorCode, quote, quote_two};
use crate::form::insert_repeated;
use crate::limits::{Limits, Meter};

/// Reads a document by the rule of the crate.
pub(crate) fn decode_xml(
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Value, FormatError> {
    let text = document(bytes, content_type)?;
    let mut builder = Builder { open: Vec::new(), document: Map::new(), meter: Meter::new(limits), limits };
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_comments = true;
    loop {
        let at = offset(reader.buffer_position());
        let done = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => builder.event(event, at),
            Err(error) => Err(refused(&error)),
        };
        done.map_err(|fault| fault.at(&text, at))?;
    }
    builder.finish().map_err(|fault| fault.at(&text, text.len()))
}

/// A fault whose place is not computed yet.
#[derive(Debug)]
struct Fault {
    code: FormatErrorCode,
    reason: String,
}

impl Fault {
    fn new(code: FormatErrorCode, reason: impl Into<String>) -> Self {
        Fault { code, reason: reason.into() }
    }

    fn at(self, text: &str, at: usize) -> FormatError {
        FormatError::new(self.code, place(text, at), self.reason)
    }
}

/// An element that is not closed yet.
#[derive(Debug)]
struct Element {
    name: String,
    members: Map<String, Value>,
    text: String,
    has_children: bool,
}

impl Element {
    fn value(mut self) -> Value {
        if self.members.is_empty() {
            return Value::String(self.text);
        }
        let indentation = self.has_children && is_blank(&self.text);
        if !self.text.is_empty() && !indentation {
            self.members.insert("#text".to_owned(), Value::String(self.text));
        }
        Value::Object(self.members)
    }
}

#[derive(Debug)]
struct Builder<'a> {
    open: Vec<Element>,
    /// The root element, once it is closed.
    document: Map<String, Value>,
    meter: Meter,
    limits: &'a Limits,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: usize) -> Result<(), Fault> {
        match event {
            Event::Start(start) => self.open(&start),
            Event::Empty(start) => {
                self.open(&start)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => {
                let text = utf8(&text)?;
                if text.contains("]]>") {
                    return Err(Fault::new(FormatErrorCode::Xml, "`]]>` within text"));
                }
                self.text(text)
            }
            Event::CData(_) if self.open.is_empty() => Err(outside()),
            Event::CData(text) => self.text(utf8(&text)?),
            Event::GeneralRef(_) if self.open.is_empty() => Err(outside()),
            Event::GeneralRef(name) => {
                let char = reference(utf8(&name)?)?;
                self.text(char.encode_utf8(&mut [0; 4]))
            }
            Event::Decl(_) if at > 0 => {
                Err(Fault::new(FormatErrorCode::Xml, "an XML declaration that is not at the beginning"))
            }
            Event::DocType(_) => Err(dtd()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        if self.open.is_empty() && !self.document.is_empty() {
            return Err(Fault::new(FormatErrorCode::Xml, "a second root element"));
        }
        if self.open.len() == self.limits.deepest() {
            return Err(Fault::new(FormatErrorCode::TooDeep, self.limits.too_deep()));
        }
        self.count()?;
        let name = name(start.name().as_ref())?;
        let mut members = Map::new();
        let mut attributes = start.attributes();
        // quick-xml's own search for repeated names is slow where there are many; the map knows.
        for attribute in attributes.with_checks(false) {
            let attribute = attribute.map_err(|error| Fault::new(FormatErrorCode::Xml, error.to_string()))?;
            self.count()?;
            let name = name_of_attribute(attribute.key.as_ref())?;
            let value = attribute_value(utf8(&attribute.value)?)?;
            if members.insert(name, Value::String(value)).is_some() {
                return Err(Fault::new(FormatErrorCode::Xml, "an attribute that is there already"));
            }
        }
        self.open.push(Element { name, members, text: String::new(), has_children: false });
        Ok(())
    }

    /// Closes the innermost element; that it is the right one is checked by quick-xml.
    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else { return };
        let name = std::mem::take(&mut element.name);
        let members = match self.open.last_mut() {
            Some(parent) => {
                parent.has_children = true;
                &mut parent.members
            }
            None => &mut self.document,
        };
        insert_repeated(members, name, element.value());
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if is_blank(text) => {}
            None => return Err(outside()),
        }
        Ok(())
    }

    fn count(&self) -> Result<(), Fault> {
        match self.meter.take() {
            true => Ok(()),
            false => Err(Fault::new(FormatErrorCode::TooMany, self.limits.too_many())),
        }
    }

    fn finish(self) -> Result<Value, Fault> {
        if let Some(element) = self.open.last() {
            let reason = format!("the element `{}` is not closed", quote(&element.name));
            return Err(Fault::new(FormatErrorCode::Xml, reason));
        }
        if self.document.is_empty() {
            return Err(Fault::new(FormatErrorCode::Xml, "there is no root element"));
        }
        Ok(Value::Object(self.document))
    }
}

/// The value with references resolved and white space as spaces (XML 1.0, section 3.3.3).
fn attribute_value(text: &str) -> Result<String, Fault> {
    if text.contains('<') {
        return Err(Fault::new(FormatErrorCode::Xml, "`<` within the value of an attribute"));
    }
    let mut value = String::with_capacity(text.len());
    for (index, piece) in text.split('&').enumerate() {
        let rest = match index {
            0 => piece,
            _ => {
                let (name, rest) = piece.split_once(';').ok_or_else(unclosed_reference)?;
                value.push(reference(name)?);
                rest
            }
        };
        value.extend(rest.chars().map(|char| if matches!(char, '\t' | '\n') { ' ' } else { char }));
    }
    Ok(value)
}

fn reference(name: &str) -> Result<char, Fault> {
    resolve(name).map_err(|code| Fault::new(code, format!("`&{};` stands for nothing", quote(name))))
}

fn name(bytes: &[u8]) -> Result<String, Fault> {
    let name = utf8(bytes)?;
    if !is_name(name) {
        let reason = format!("`{}` is not a name", quote(name));
        return Err(Fault::new(FormatErrorCode::XmlName, reason));
    }
    Ok(name.to_owned())
}

fn name_of_attribute(bytes: &[u8]) -> Result<String, Fault> {
    name(bytes).map(|name| format!("@{name}"))
}

/// Pieces of a text are text, as markup is ASCII; this is for a library that cuts elsewhere.
fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::new(FormatErrorCode::Charset, "not text"))
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn outside() -> Fault {
    Fault::new(FormatErrorCode::Xml, "text outside of the root element")
}

fn dtd() -> Fault {
    Fault::new(FormatErrorCode::XmlDtd, "a document type definition, which is not allowed here")
}

fn unclosed_reference() -> Fault {
    Fault::new(FormatErrorCode::Xml, "`&` that begins no reference")
}

/// The sentences of quick-xml, except where those repeat the input at any length.
fn refused(error: &Error) -> Fault {
    let reason = match error {
        Error::Syntax(SyntaxError::UnclosedDoctype) => return dtd(),
        Error::IllFormed(IllFormedError::MissingDoctypeName) => return dtd(),
        Error::IllFormed(IllFormedError::UnclosedReference) => return unclosed_reference(),
        Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
            let (expected, found) = quote_two(expected, found);
            format!("`</{found}>` where `</{expected}>` is due")
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(name)) => {
            format!("`</{}>` closes nothing", quote(name))
        }
        Error::Syntax(error) => error.to_string(),
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` within a comment".to_owned(),
        _ => "not well-formed".to_owned(),
    };
    Fault::new(FormatErrorCode::Xml, reason)
}
