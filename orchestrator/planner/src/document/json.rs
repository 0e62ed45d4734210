//! JSON with places. Strings and numbers are read by `serde_json`; this file finds where they begin and end.

use serde_json::Number;

use super::{Budget, DEPTH, Document, Kind, Member, Node, SourceFile};
use crate::near::quote;
use crate::{Code, Diagnostic, Mark, Report};

/// Whether a text is to be read as JSON: it begins with an object whose first key is in double quotes, or with a list
/// of JSON values.
pub(crate) fn looks_like(text: &str) -> bool {
    let mut letters = text.trim_start_matches('\u{feff}').chars().filter(|letter| !letter.is_whitespace());
    match letters.next() {
        Some('{') => matches!(letters.next(), Some('"' | '}')),
        Some('[') => matches!(letters.next(), Some('{' | '[' | '"' | ']')),
        _ => false,
    }
}

/// Reads one or more objects, one after the other.
pub(crate) fn parse(file: &SourceFile, report: &mut Report) -> Vec<Document> {
    let text = file.text.trim_start_matches('\u{feff}');
    let mut parser =
        Parser { text, at: 0, line: 1, line_start: 0, file: &file.name, report, budget: Budget::default() };
    let mut documents = Vec::new();
    loop {
        parser.blank();
        if parser.at == text.len() {
            return documents;
        }
        let start = parser.at;
        match parser.value(0) {
            Ok(root) => documents.push(Document { root, source: text[start..parser.at].to_owned() }),
            Err(Stop) => return documents,
        }
    }
}

/// A fault after which nothing more can be read; it is already reported.
struct Stop;

struct Parser<'t, 'r> {
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
    file: &'t str,
    report: &'r mut Report,
    budget: Budget,
}

impl Parser<'_, '_> {
    fn mark(&self) -> Mark {
        let column = self.text[self.line_start..self.at].chars().count() + 1;
        Mark { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    fn stop<T>(&mut self, code: Code, message: impl Into<String>) -> Result<T, Stop> {
        let mark = self.mark();
        self.report.push(Diagnostic::new(code, self.file, mark, message));
        Err(Stop)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        self.blank();
        let mark = self.mark();
        if self.budget.take(1, 0).is_none() {
            return self.stop(Code::TooManyNodes, "the file has too many values");
        }
        let kind = match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH => {
                return self.stop(Code::TooDeep, format!("the values nest deeper than {DEPTH} levels"));
            }
            Some(b'{') => Kind::Map(self.members(depth)?),
            Some(b'[') => Kind::List(self.items(depth)?),
            Some(b'"') => Kind::Text(self.string()?),
            Some(_) => self.word()?,
            None => return self.stop(Code::Syntax, "the JSON ends in the middle of a value"),
        };
        Ok(Node { mark, kind })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.is_last(b']')? {
                return Ok(items);
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Stop> {
        let mut members = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            self.blank();
            let mark = self.mark();
            if self.peek() != Some(b'"') {
                return self.stop(Code::Syntax, "expected a key in double quotes");
            }
            if self.budget.take(1, 0).is_none() {
                return self.stop(Code::TooManyNodes, "the file has too many values");
            }
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return self.stop(Code::Syntax, "expected `:` after the key");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            if keys.insert(key.clone()) {
                members.push(Member { key, mark, value });
            } else {
                let message = format!("the key {} stands twice", quote(&key));
                self.report.push(Diagnostic::new(Code::DuplicateKey, self.file, mark, message));
            }
            if self.is_last(b'}')? {
                return Ok(members);
            }
        }
    }

    /// Reads a comma, or the end of a list or object.
    fn is_last(&mut self, end: u8) -> Result<bool, Stop> {
        self.blank();
        let byte = self.peek();
        if byte != Some(b',') && byte != Some(end) {
            return self.stop(Code::Syntax, format!("expected `,` or `{}`", char::from(end)));
        }
        self.at += 1;
        Ok(byte == Some(end))
    }

    fn string(&mut self) -> Result<String, Stop> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let Some(slice) = self.text.get(self.at..=end) else {
            return self.stop(Code::Syntax, "a text in double quotes does not end");
        };
        match serde_json::from_str::<String>(slice) {
            Ok(text) if self.budget.take(0, text.len()).is_some() => {
                self.at = end + 1;
                Ok(text)
            }
            Ok(_) => self.stop(Code::TooManyNodes, "the file has too much text"),
            Err(error) => self.stop(Code::Syntax, format!("this is no JSON text: {}", reason(&error))),
        }
    }

    fn word(&mut self) -> Result<Kind, Stop> {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.')))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let kind = match word {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            _ => match serde_json::from_str::<Number>(word) {
                Ok(number) if word.contains(['.', 'e', 'E']) || !number.is_f64() || word == "-0" => {
                    Kind::Number(number)
                }
                Ok(_) => {
                    let (mark, shown) = (self.mark(), quote(word));
                    let message = format!("{shown} does not fit into 64 bits");
                    self.report.push(Diagnostic::new(Code::Number, self.file, mark, message));
                    Kind::Broken
                }
                Err(_) if word.is_empty() => return self.stop(Code::Syntax, "expected a JSON value"),
                Err(_) => return self.stop(Code::Syntax, format!("{} is no JSON value", quote(word))),
            },
        };
        self.at += end;
        Ok(kind)
    }
}

/// The reason without the place, which is relative to the slice.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
