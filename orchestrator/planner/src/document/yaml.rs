//! YAML with places, from the events of `saphyr-parser`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Budget, DEPTH, Document, Kind, Member, Node, SourceFile, scalar};
use crate::near::quote;
use crate::{Code, Diagnostic, Mark, Report};

/// Reads the documents of a file, up to its first syntax error.
pub(crate) fn parse(file: &SourceFile, report: &mut Report) -> Vec<Document> {
    let text = file.text.trim_start_matches('\u{feff}');
    let mut builder = Builder {
        file: &file.name,
        report,
        budget: Budget::default(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
    };
    let mut cutter = Cutter { text, at: 0, index: 0 };
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let mark = mark(*error.marker());
                let mut fault = Diagnostic::new(
                    Code::Syntax,
                    &file.name,
                    mark,
                    format!("the text is no YAML: {}", error.info()),
                );
                if is_bare_expression(text, mark.line) {
                    fault = fault.help("put the expression in quotes: it has a `: ` or a ` #` in it");
                }
                builder.report.push(fault);
                return documents;
            }
        };
        if matches!(event, Event::DocumentEnd) {
            let source = cutter.cut(span.end.index());
            // A document without content, as after a last `---`, is none.
            if let Some(root) = builder.finish().filter(|root| !matches!(root.kind, Kind::Null)) {
                documents.push(Document { root, source });
            }
        } else if builder.event(event, mark(span.start)).is_none() {
            return documents;
        }
    }
    documents
}

/// Whether a line has a JSONata expression without quotes that YAML takes for something else.
fn is_bare_expression(text: &str, line: u32) -> bool {
    let line = text.lines().nth(usize::try_from(line).unwrap_or(0).saturating_sub(1)).unwrap_or_default();
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim_start());
    value.starts_with('=') && (value.contains(": ") || value.contains(" #"))
}

fn mark(marker: Marker) -> Mark {
    let number = |from: usize| u32::try_from(from).unwrap_or(u32::MAX);
    Mark { line: number(marker.line()), column: number(marker.col() + 1) }
}

/// Cuts the text into documents. The parser counts characters, a text bytes.
struct Cutter<'t> {
    text: &'t str,
    at: usize,
    index: usize,
}

impl Cutter<'_> {
    fn cut(&mut self, index: usize) -> String {
        let rest = &self.text[self.at..];
        let length = index.saturating_sub(self.index);
        let end = rest.char_indices().nth(length).map_or(rest.len(), |(end, _)| end);
        self.at += end;
        self.index = index;
        rest[..end].to_owned()
    }
}

struct Builder<'f, 'r> {
    file: &'f str,
    report: &'r mut Report,
    budget: Budget,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
}

/// A list or mapping that has begun.
struct Open {
    mark: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { members: Vec<Member>, keys: BTreeSet<String>, key: Option<Key> },
}

/// A key that waits for its value.
struct Key {
    text: Option<String>,
    mark: Mark,
}

impl Builder<'_, '_> {
    fn fault(&mut self, code: Code, mark: Mark, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, self.file, mark, message));
    }

    fn finish(&mut self) -> Option<Node> {
        self.open.clear();
        self.anchors.clear();
        self.root.take()
    }

    /// Takes an event; nothing when the file exceeds a bound, so that reading must stop.
    fn event(&mut self, event: Event<'_>, mark: Mark) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.take(1, text.len(), mark)?;
                let node = self.scalar(&text, style, tag.as_deref(), mark);
                self.keep(anchor, &node)?;
                self.add(node, matches!(style, ScalarStyle::Plain).then_some(text));
            }
            Event::Alias(anchor) => self.alias(anchor, mark)?,
            Event::SequenceStart(anchor, tag) => {
                self.container_tag(tag, "seq", mark);
                self.begin(anchor, mark, Content::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.container_tag(tag, "map", mark);
                let content = Content::Map { members: Vec::new(), keys: BTreeSet::new(), key: None };
                self.begin(anchor, mark, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Some(())
    }

    fn take(&mut self, nodes: usize, bytes: usize, mark: Mark) -> Option<()> {
        let left = self.budget.take(nodes, bytes);
        if left.is_none() {
            self.fault(Code::TooManyNodes, mark, "the file has too many values, aliases written out");
        }
        left
    }

    fn deeper(&mut self, by: usize, mark: Mark) -> Option<()> {
        if self.open.len() + by <= DEPTH {
            return Some(());
        }
        self.fault(Code::TooDeep, mark, format!("the values nest deeper than {DEPTH} levels"));
        None
    }

    fn begin(&mut self, anchor: usize, mark: Mark, content: Content) -> Option<()> {
        self.take(1, 0, mark)?;
        self.deeper(1, mark)?;
        self.open.push(Open { mark, anchor, content });
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let Some(open) = self.open.pop() else { return Some(()) };
        let kind = match open.content {
            Content::List(items) => Kind::List(items),
            Content::Map { members, .. } => Kind::Map(members),
        };
        let node = Node { mark: open.mark, kind };
        self.keep(open.anchor, &node)?;
        self.add(node, None);
        Some(())
    }

    /// Remembers a value that has an anchor. The copy counts, since anchors may stand inside anchored values.
    fn keep(&mut self, anchor: usize, node: &Node) -> Option<()> {
        if anchor > 0 {
            let (nodes, bytes) = node.size();
            self.take(nodes, bytes, node.mark)?;
            self.anchors.insert(anchor, node.clone());
        }
        Some(())
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Option<()> {
        let Some(mut node) = self.anchors.get(&anchor).cloned() else {
            self.fault(Code::Unsupported, mark, "the alias stands inside the value that it names");
            self.add(Node::broken(mark), None);
            return Some(());
        };
        let (nodes, bytes) = node.size();
        self.take(nodes, bytes, mark)?;
        self.deeper(node.depth(), mark)?;
        node.mark = mark;
        self.add(node, None);
        Some(())
    }

    /// Puts a value where it belongs. `plain` is the text of a plain scalar, which a key keeps as it is written.
    fn add(&mut self, node: Node, plain: Option<Cow<'_, str>>) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let (members, keys, key) = match &mut open.content {
            Content::List(items) => return items.push(node),
            Content::Map { members, keys, key } => (members, keys, key),
        };
        let Some(waiting) = key.take() else {
            let fault = key_fault(&node, plain.as_deref());
            let text = fault.is_none().then(|| key_text(&node, plain)).flatten();
            *key = Some(Key { text, mark: node.mark });
            if let Some(message) = fault {
                self.fault(Code::Unsupported, node.mark, message);
            }
            return;
        };
        let Some(text) = waiting.text else { return };
        if keys.insert(text.clone()) {
            members.push(Member { key: text, mark: waiting.mark, value: node });
        } else {
            self.fault(Code::DuplicateKey, waiting.mark, format!("the key {} stands twice", quote(&text)));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, mark: Mark) -> Node {
        let text_node = || Node { mark, kind: Kind::Text(text.to_owned()) };
        let as_text = match tag {
            None => style != ScalarStyle::Plain,
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => true,
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => true,
            Some(tag)
                if tag.is_yaml_core_schema()
                    && matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null") =>
            {
                false
            }
            Some(tag) => {
                self.unknown_tag(tag, mark);
                return Node::broken(mark);
            }
        };
        if as_text {
            return text_node();
        }
        match scalar::resolve(text) {
            Ok(kind) => Node { mark, kind },
            // A key is a text whatever it looks like.
            Err(_) if self.expects_key() => text_node(),
            Err(message) => {
                self.fault(Code::Number, mark, message);
                Node::broken(mark)
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn container_tag(&mut self, tag: Option<Cow<'_, Tag>>, own: &str, mark: Mark) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == own)
        {
            self.unknown_tag(&tag, mark);
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, mark: Mark) {
        self.fault(
            Code::Unsupported,
            mark,
            format!("the tag {} means nothing here", quote(&tag.to_string())),
        );
    }
}

/// Why a value cannot be a key.
fn key_fault(node: &Node, plain: Option<&str>) -> Option<&'static str> {
    match &node.kind {
        Kind::List(_) | Kind::Map(_) => Some("a key must be a text, not a list or mapping"),
        Kind::Text(_) if plain == Some("<<") => Some("merge keys are no part of YAML 1.2"),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Broken => None,
    }
}

fn key_text(node: &Node, plain: Option<Cow<'_, str>>) -> Option<String> {
    match (&node.kind, plain) {
        (_, Some(plain)) => Some(plain.into_owned()),
        (Kind::Text(text), None) => Some(text.clone()),
        (Kind::Number(number), None) => Some(number.to_string()),
        (Kind::Bool(flag), None) => Some(flag.to_string()),
        (Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Broken, None) => None,
    }
}
