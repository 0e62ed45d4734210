//! A mapping, parsed once and validated whole.
//!
//! Sub-trees without expressions are kept as they are and cloned; every fault of the tree is
//! reported, not just the first.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{MappingError, MappingErrorKind};
use crate::expression::Expression;
use crate::limits::Limits;
use crate::path::{JsonPath, Segment};
use crate::query::is_path;
use crate::reads::{Reads, jsonpath};
use crate::text::TextPlan;

/// A parsed mapping. Cheap to clone and shared between threads.
#[derive(Debug, Clone)]
pub struct Mapping(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: Value,
    root: Node,
    reads: Reads,
    text: Option<TextPlan>,
}

/// A path that a mapping follows from the root, for checks against a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathUse {
    /// Where in the mapping, as a JSON Pointer.
    pub place: String,
    /// The expression as written.
    pub expression: String,
    /// The segments after the root, up to the first that is not a name or an index.
    pub segments: Vec<Segment>,
    /// Whether the expression is a JSONPath. JSONata looks through arrays by itself, JSONPath does
    /// not.
    pub exact: bool,
}

/// The compiled tree.
#[derive(Debug)]
pub(crate) enum Node {
    /// Nothing to evaluate below; with its size as JSON text.
    Constant(Value, usize),
    Path {
        place: String,
        path: JsonPath,
    },
    Jsonata {
        place: String,
        expression: Expression,
    },
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
}

impl Mapping {
    /// Parses a mapping. On failure all its errors, each with its place.
    pub fn parse(source: &Value, limits: &Limits) -> Result<Mapping, Vec<MappingError>> {
        let mut parser = Parser { limits, nodes: 0, place: String::new(), errors: Vec::new() };
        let root = parser.node(source, 0);
        if !parser.errors.is_empty() {
            return Err(parser.errors);
        }
        let mut reads = Reads::default();
        visit(&root, &mut |leaf| match leaf {
            Node::Path { path, .. } => reads.merge(&jsonpath::reads(path.query())),
            Node::Jsonata { expression, .. } => reads.merge(expression.reads()),
            Node::Constant(..) | Node::Object(_) | Node::Array(_) => {}
        });
        let text = TextPlan::of(&root, &reads);
        Ok(Mapping(Arc::new(Parsed { source: source.clone(), root, reads, text })))
    }

    /// The mapping as written.
    pub fn source(&self) -> &Value {
        &self.0.source
    }

    /// Which names of the root it reads.
    pub fn reads(&self) -> &Reads {
        &self.0.reads
    }

    /// How to evaluate it from text to text, where it reads nothing but the body.
    pub(crate) fn text_plan(&self) -> Option<&TextPlan> {
        self.0.text.as_ref()
    }

    /// Every path it follows from the root, in the order of the tree.
    pub fn paths(&self) -> Vec<PathUse> {
        let mut uses = Vec::new();
        visit(&self.0.root, &mut |leaf| match leaf {
            Node::Path { place, path } => uses.push(PathUse {
                place: place.clone(),
                expression: path.source().to_owned(),
                segments: path.prefix(),
                exact: true,
            }),
            Node::Jsonata { place, expression } => {
                uses.extend(expression.paths().into_iter().map(|segments| PathUse {
                    place: place.clone(),
                    expression: expression.source().to_owned(),
                    segments,
                    exact: false,
                }));
            }
            Node::Constant(..) | Node::Object(_) | Node::Array(_) => {}
        });
        uses
    }

    pub(crate) fn root(&self) -> &Node {
        &self.0.root
    }
}

fn visit<'n>(node: &'n Node, leaf: &mut dyn FnMut(&'n Node)) {
    match node {
        Node::Object(members) => members.iter().for_each(|(_, member)| visit(member, leaf)),
        Node::Array(items) => items.iter().for_each(|item| visit(item, leaf)),
        Node::Constant(..) | Node::Path { .. } | Node::Jsonata { .. } => leaf(node),
    }
}

struct Parser<'l> {
    limits: &'l Limits,
    nodes: usize,
    place: String,
    errors: Vec<MappingError>,
}

impl Parser<'_> {
    /// Compiles a node; after an error the result stands for nothing.
    fn node(&mut self, source: &Value, depth: usize) -> Node {
        self.nodes += 1;
        if self.nodes > self.limits.mapping_nodes {
            // Once is enough: every later node has the same fault.
            if self.nodes == self.limits.mapping_nodes + 1 {
                let reason = format!("the mapping has more than {} nodes", self.limits.mapping_nodes);
                self.fail(MappingError::new(MappingErrorKind::TooManyNodes, "", reason));
            }
            return Node::NOTHING;
        }
        if depth > self.limits.mapping_depth {
            let reason = format!("the mapping nests deeper than {}", self.limits.mapping_depth);
            self.fail(MappingError::new(MappingErrorKind::TooDeep, "", reason));
            return Node::NOTHING;
        }
        match source {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.within(&at.to_string(), item, depth))
                    .collect();
                Node::array(items)
            }
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, member)| (name.clone(), self.within(&escape(name), member, depth)))
                    .collect();
                Node::object(members)
            }
            literal => Node::constant(literal.clone()),
        }
    }

    fn within(&mut self, token: &str, source: &Value, depth: usize) -> Node {
        let end = self.place.len();
        self.place.push('/');
        self.place.push_str(token);
        let node = self.node(source, depth + 1);
        self.place.truncate(end);
        node
    }

    fn text(&mut self, text: &str) -> Node {
        let place = || self.place.clone();
        let parsed = if is_path(text) {
            JsonPath::parse(text, self.limits).map(|path| Node::Path { place: place(), path })
        } else if text.starts_with('=') {
            Expression::parse(text, self.limits)
                .map(|expression| Node::Jsonata { place: place(), expression })
        } else {
            let literal = text.strip_prefix('\\').unwrap_or(text);
            Ok(Node::constant(Value::String(literal.to_owned())))
        };
        parsed.unwrap_or_else(|error| {
            self.fail(error);
            Node::NOTHING
        })
    }

    fn fail(&mut self, error: MappingError) {
        self.errors.push(error.at(&self.place));
    }
}

impl Node {
    const NOTHING: Node = Node::Constant(Value::Null, 5);

    fn constant(value: Value) -> Node {
        let mut bytes = 0;
        crate::value::measure(&value, &mut bytes);
        Node::Constant(value, bytes)
    }

    fn array(items: Vec<Node>) -> Node {
        if !items.iter().all(Node::is_constant) {
            return Node::Array(items);
        }
        Node::constant(Value::Array(items.into_iter().filter_map(Node::into_constant).collect()))
    }

    fn object(members: Vec<(String, Node)>) -> Node {
        if !members.iter().all(|(_, member)| member.is_constant()) {
            return Node::Object(members);
        }
        let members: Map<String, Value> =
            members.into_iter().filter_map(|(name, member)| Some((name, member.into_constant()?))).collect();
        Node::constant(Value::Object(members))
    }

    fn is_constant(&self) -> bool {
        matches!(self, Node::Constant(..))
    }

    fn into_constant(self) -> Option<Value> {
        match self {
            Node::Constant(value, _) => Some(value),
            Node::Path { .. } | Node::Jsonata { .. } | Node::Object(_) | Node::Array(_) => None,
        }
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
