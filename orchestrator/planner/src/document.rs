//! From text to trees of values that know where they stand.
//!
//! YAML and JSON give the same tree. Bounds on bytes, depth and values hold before anything is built, aliases counted
//! as if they were written out, so that no file costs more than its share.

pub(crate) mod json;
pub(crate) mod scalar;
pub(crate) mod yaml;

use serde_json::{Map, Number, Value};

use crate::{Code, Diagnostic, Mark, Places, Report, places};

/// Most bytes of one file.
pub(crate) const FILE_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of a document.
pub(crate) const DEPTH: usize = 64;
/// Most values of a file.
pub(crate) const NODES: usize = 300_000;
/// Most bytes of scalars of a file, aliases written out.
pub(crate) const TEXT_BYTES: usize = 2 * FILE_BYTES;

/// A file as the caller read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name that diagnostics show.
    pub name: String,
    /// The text.
    pub text: String,
}

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) source: String,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) kind: Kind,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
    /// A value whose fault is already reported, so that nothing more need be said about it.
    Broken,
}

/// A member of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) mark: Mark,
    pub(crate) value: Node,
}

/// What of the bounds is left while a file is read.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) nodes: usize,
    pub(crate) bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: NODES, bytes: TEXT_BYTES }
    }
}

impl Budget {
    /// Takes so many values and bytes, if they are left.
    pub(crate) fn take(&mut self, nodes: usize, bytes: usize) -> Option<()> {
        self.nodes = self.nodes.checked_sub(nodes)?;
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// Reads the documents of a file.
pub(crate) fn parse(file: &SourceFile, report: &mut Report) -> Vec<Document> {
    if file.text.len() > FILE_BYTES {
        let message = format!("the file has {} bytes, more than {FILE_BYTES}", file.text.len());
        report.push(Diagnostic::new(Code::FileTooLarge, &file.name, Mark::default(), message));
        return Vec::new();
    }
    let before = report.len();
    let documents =
        if json::looks_like(&file.text) { json::parse(file, report) } else { yaml::parse(file, report) };
    if documents.is_empty() && report.len() == before {
        let message = "the file holds no document";
        report.push(Diagnostic::new(Code::EmptyFile, &file.name, Mark::default(), message));
    }
    documents
}

impl Node {
    pub(crate) fn broken(mark: Mark) -> Self {
        Self { mark, kind: Kind::Broken }
    }

    /// The member of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(members) => members.iter().find(|member| member.key == key).map(|member| &member.value),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Broken => {
                None
            }
        }
    }

    /// The value without its places. Broken values become null.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null | Kind::Broken => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Map(members) => {
                let members = members.iter().map(|member| (member.key.clone(), member.value.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// How many values and bytes of text it has.
    pub(crate) fn size(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Broken => (1, 0),
            Kind::Text(text) => (1, text.len()),
            Kind::List(items) => items.iter().map(Self::size).fold((1, 0), add),
            Kind::Map(members) => {
                members.iter().map(|member| add(member.value.size(), (1, member.key.len()))).fold((1, 0), add)
            }
        }
    }

    /// How deep it nests.
    pub(crate) fn depth(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Broken => 0,
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(members) => 1 + members.iter().map(|member| member.value.depth()).max().unwrap_or(0),
        }
    }

    /// The places of it and of everything in it.
    pub(crate) fn places(&self) -> Places {
        let mut places = Places::default();
        self.collect(&mut String::new(), &mut places);
        places
    }

    fn collect(&self, pointer: &mut String, places: &mut Places) {
        places.insert(pointer.clone(), self.mark);
        if matches!(self.kind, Kind::Broken) {
            places.mark_broken(pointer.clone());
        }
        let end = pointer.len();
        let mut within = |token: &str, node: &Self| {
            pointer.push('/');
            pointer.push_str(token);
            node.collect(pointer, places);
            pointer.truncate(end);
        };
        match &self.kind {
            Kind::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| within(&index.to_string(), item));
            }
            Kind::Map(members) => {
                members.iter().for_each(|member| within(&places::escape(&member.key), &member.value));
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Broken => {}
        }
    }
}

fn add(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (a.0 + b.0, a.1 + b.1)
}

#[cfg(test)]
mod tests;
