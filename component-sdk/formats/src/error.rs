//! The one way a body fails: a stable code, a place and a sentence.
//!
//! Sentences are for people and may change; codes and places are for programs and do not. An error
//! repeats at most [`QUOTED`] characters of a body in its sentence and [`PLACE`] in its place, so
//! that a log line never holds a foreign message.

use std::fmt;

/// Longest pieces of the input that a reason repeats, in characters, all of them together.
const QUOTED: usize = 40;

/// Longest path that a place repeats, in characters.
const PLACE: usize = 60;

/// Why a body was not decoded or a value not encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FormatError {
    /// What kind of fault it is.
    pub code: FormatErrorCode,
    /// Where it is.
    pub place: Place,
    /// One sentence for people; repeats at most 40 characters of the input.
    pub reason: String,
}

/// The stable kinds of [`FormatError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatErrorCode {
    /// More bytes than [`Limits::bytes`](crate::Limits::bytes), or text that grows beyond it.
    TooLarge,
    /// Deeper than [`Limits::depth`](crate::Limits::depth).
    TooDeep,
    /// More than [`Limits::nodes`](crate::Limits::nodes), [`Limits::rows`](crate::Limits::rows) or
    /// [`Limits::parts`](crate::Limits::parts).
    TooMany,
    /// Bytes that are not text in the encoding they claim, or an encoding that is not known.
    Charset,
    /// Not JSON (RFC 8259), or not one JSON text a line.
    Json,
    /// A row of CSV (RFC 4180) that has more fields than the header.
    Csv,
    /// A value that a form cannot say: not an object of scalars and arrays of scalars.
    FormShape,
    /// Not well-formed XML 1.0.
    Xml,
    /// XML with a document type definition, which is refused whatever it says.
    XmlDtd,
    /// A reference to an entity that is not one of the five predefined ones.
    XmlEntity,
    /// A name that XML does not allow.
    XmlName,
    /// A character that XML does not allow, not even as a reference.
    XmlCharacter,
    /// A value that the XML rule does not know: no single root, or an array within an array.
    XmlShape,
    /// A multipart body that lacks its boundary, its end or a part's blank line.
    Multipart,
    /// A header of a part that is too long, has control characters or asks for a transfer encoding.
    MultipartHeader,
}

/// Where in the input, or in the value to encode, a fault is. All counts begin at 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The body as a whole.
    Whole,
    /// A line and a column of the body. Columns of JSON are bytes, those of XML characters.
    Line {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A record of CSV; the header, where there is one, is record 1. Empty lines do not count.
    Row(usize),
    /// A part of a multipart body.
    Part(usize),
    /// A JSON Pointer (RFC 6901) into the value to encode, cut after 60 characters.
    Path(String),
}

impl FormatErrorCode {
    /// The code as text, such as `xml_dtd`; what flows and documentation name.
    pub fn as_str(self) -> &'static str {
        match self {
            FormatErrorCode::TooLarge => "too_large",
            FormatErrorCode::TooDeep => "too_deep",
            FormatErrorCode::TooMany => "too_many",
            FormatErrorCode::Charset => "charset",
            FormatErrorCode::Json => "json_syntax",
            FormatErrorCode::Csv => "csv_row",
            FormatErrorCode::FormShape => "form_shape",
            FormatErrorCode::Xml => "xml_syntax",
            FormatErrorCode::XmlDtd => "xml_dtd",
            FormatErrorCode::XmlEntity => "xml_entity",
            FormatErrorCode::XmlName => "xml_name",
            FormatErrorCode::XmlCharacter => "xml_character",
            FormatErrorCode::XmlShape => "xml_shape",
            FormatErrorCode::Multipart => "multipart_syntax",
            FormatErrorCode::MultipartHeader => "multipart_header",
        }
    }
}

impl FormatError {
    pub(crate) fn new(code: FormatErrorCode, place: Place, reason: impl Into<String>) -> Self {
        FormatError { code, place, reason: reason.into() }
    }

    pub(crate) fn whole(code: FormatErrorCode, reason: impl Into<String>) -> Self {
        FormatError::new(code, Place::Whole, reason)
    }

    /// An error of encoding, at a JSON Pointer.
    pub(crate) fn at(code: FormatErrorCode, path: &str, reason: impl Into<String>) -> Self {
        FormatError::new(code, Place::Path(shorten(path, PLACE)), reason)
    }
}

impl fmt::Display for FormatErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => f.write_str("the body"),
            Place::Line { line, column } => write!(f, "line {line}, column {column}"),
            Place::Row(row) => write!(f, "row {row}"),
            Place::Part(part) => write!(f, "part {part}"),
            Place::Path(path) if path.is_empty() => f.write_str("the value"),
            Place::Path(path) => write!(f, "`{path}`"),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// A piece of the input for a reason, shortened and without control characters.
pub(crate) fn quote(text: &str) -> String {
    let clean: String =
        text.chars().take(QUOTED + 1).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    shorten(&clean, QUOTED - 1)
}

/// Two pieces of the input for one reason, together no longer than one.
pub(crate) fn quote_two(one: &str, other: &str) -> (String, String) {
    (shorten(&quote(one), QUOTED / 2 - 1), shorten(&quote(other), QUOTED / 2 - 1))
}

/// Adds a member's name to a JSON Pointer.
pub(crate) fn push_path(path: &mut String, key: &str) {
    path.push('/');
    path.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_at_most_a_hundred_characters() {
        let long = "ä".repeat(500);
        let (one, other) = quote_two(&long, &long);
        assert!(one.chars().count() + other.chars().count() <= QUOTED);
        let error = FormatError::at(FormatErrorCode::XmlName, &long, quote(&long));
        assert!(error.to_string().chars().filter(|c| *c == 'ä').count() <= 100);
        assert_eq!(quote("a\r\nb"), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_sentence_names_its_place() {
        for (place, expect) in [
            (Place::Whole, "the body: no"),
            (Place::Line { line: 2, column: 3 }, "line 2, column 3: no"),
            (Place::Row(4), "row 4: no"),
            (Place::Part(1), "part 1: no"),
            (Place::Path(String::new()), "the value: no"),
            (Place::Path("/a~1b".to_owned()), "`/a~1b`: no"),
        ] {
            assert_eq!(FormatError::new(FormatErrorCode::Json, place, "no").to_string(), expect);
        }
    }
}
