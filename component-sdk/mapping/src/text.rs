//! Mappings from text to text.
//!
//! Most mappings read the body and nothing else. They need no tree of values: one pass over the text of the body finds the
//! parts that paths of names and indexes name, and copies them to the letter, numbers of any length included; the text is
//! read once more, straight into the values of the JSONata library, where the mapping computes; results are written as they
//! are. What comes out has the same value as what [`Evaluator::map`] gives, which stays the reference and judges whatever is
//! refused here.

mod trie;

use jsonata_core::value::{JValue, with_stack};
use serde_json::value::RawValue;

use crate::error::EvalError;
use crate::evaluator::Evaluator;
use crate::expression::Expression;
use crate::mapping::{Mapping, Node};
use crate::path::{JsonPath, Segment};
use crate::reads::{Reads, StepReads};
use crate::root::Root;
use crate::value::json_number;
use trie::Trie;

/// A mapping that reads the body and nothing else.
#[derive(Debug)]
pub(crate) struct TextPlan {
    paths: Trie,
    slots: usize,
    computes: bool,
    output: Piece,
}

/// A part of the output.
#[derive(Debug)]
enum Piece {
    Text(String),
    Slot(usize),
    Computed {
        place: String,
        expression: Expression,
    },
    /// Members with their names as JSON text, the colon included.
    Object(Vec<(String, Piece)>),
    Array(Vec<Piece>),
}

/// Why there is no text.
enum Refusal {
    /// The evaluator has to judge.
    Judge,
    Error(EvalError),
}

impl TextPlan {
    /// The plan of a mapping, where it reads nothing but the body.
    pub(crate) fn of(root: &Node, reads: &Reads) -> Option<Self> {
        let others =
            [reads.headers, reads.item, reads.params, reads.flow, reads.execution, reads.attempt, reads.all];
        if others.contains(&true) || reads.steps != StepReads::None {
            return None;
        }
        let output = Piece::Text(String::new());
        let mut plan = Self { paths: Trie::default(), slots: 0, computes: false, output };
        plan.output = plan.piece(root)?;
        Some(plan)
    }

    fn piece(&mut self, node: &Node) -> Option<Piece> {
        Some(match node {
            Node::Constant(value, _) => Piece::Text(value.to_string()),
            Node::Path { path, .. } => Piece::Slot(self.slot(path)?),
            Node::Jsonata { place, expression } => {
                self.computes = true;
                Piece::Computed { place: place.clone(), expression: expression.clone() }
            }
            Node::Object(members) => {
                let members = members.iter().map(|(name, member)| {
                    let name = serde_json::to_string(name).ok()?;
                    Some((name + ":", self.piece(member)?))
                });
                Piece::Object(members.collect::<Option<_>>()?)
            }
            Node::Array(items) => {
                Piece::Array(items.iter().map(|item| self.piece(item)).collect::<Option<_>>()?)
            }
        })
    }

    fn slot(&mut self, path: &JsonPath) -> Option<usize> {
        let segments = path.walk()?;
        let (first, rest) = segments.split_first()?;
        if *first != Segment::Name("body".to_owned()) {
            return None;
        }
        self.paths.insert(rest, self.slots)?;
        self.slots += 1;
        Some(self.slots - 1)
    }
}

impl Evaluator {
    /// Evaluates a mapping that reads the body and nothing else from the body's text to JSON text. None for any other
    /// mapping, a body that is no JSON or nests too deep, and a result that is too large: then [`map`](Self::map) has to
    /// judge.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_text(&mut self, mapping: &Mapping, body: &str) -> Option<Result<String, EvalError>> {
        let plan = mapping.text_plan()?;
        let mut found = vec![None; plan.slots];
        if plan.slots > 0 {
            plan.paths.search(body, &mut found).ok()?;
        }
        let root = if plan.computes { Some(Root::of_body(body)?) } else { None };
        let most = self.limits().output_bytes;
        let text = Vec::with_capacity(body.len().min(most) + 64);
        let deadline = self.deadline();
        let mut writer = Writer { evaluator: self, root, found: &found, text, most, deadline };
        match writer.piece(&plan.output) {
            Ok(there_is) => {
                if !there_is {
                    writer.text.extend_from_slice(b"null");
                }
                let text = String::from_utf8(writer.text).ok().filter(|text| text.len() <= most)?;
                Some(Ok(text))
            }
            Err(Refusal::Judge) => None,
            Err(Refusal::Error(error)) => Some(Err(error)),
        }
    }
}

/// One evaluation.
struct Writer<'w> {
    evaluator: &'w mut Evaluator,
    root: Option<Root<'static>>,
    found: &'w [Option<&'w RawValue>],
    text: Vec<u8>,
    most: usize,
    deadline: std::time::Instant,
}

impl Writer<'_> {
    /// Appends a part; false when there is nothing to append.
    fn piece(&mut self, piece: &Piece) -> Result<bool, Refusal> {
        self.check()?;
        match piece {
            Piece::Text(constant) => self.text.extend_from_slice(constant.as_bytes()),
            Piece::Slot(slot) => match self.found.get(*slot).copied().flatten() {
                Some(raw) => self.text.extend_from_slice(raw.get().as_bytes()),
                None => return Ok(false),
            },
            Piece::Computed { place, expression } => {
                let Some(root) = &self.root else { return Err(Refusal::Judge) };
                let value = self.evaluator.run_until(expression, root, self.deadline);
                let value = value.map_err(|error| Refusal::Error(error.at(place, expression.source())))?;
                return self.value(&value).map_err(|refusal| match refusal {
                    Refusal::Error(error) => Refusal::Error(error.at(place, expression.source())),
                    Refusal::Judge => Refusal::Judge,
                });
            }
            Piece::Object(members) => {
                let members = members.iter().map(|(name, member)| (name.as_str(), member));
                self.list(members, (b'{', b'}'))?;
            }
            Piece::Array(items) => self.list(items.iter().map(|item| ("", item)), (b'[', b']'))?,
        }
        Ok(true)
    }

    /// Appends what there is of members or items, each behind its label.
    fn list<'p>(
        &mut self,
        pieces: impl Iterator<Item = (&'p str, &'p Piece)>,
        (open, close): (u8, u8),
    ) -> Result<(), Refusal> {
        self.text.push(open);
        let start = self.text.len();
        for (label, piece) in pieces {
            let end = self.text.len();
            if end > start {
                self.text.push(b',');
            }
            self.text.extend_from_slice(label.as_bytes());
            if !self.piece(piece)? {
                self.text.truncate(end);
            }
        }
        self.text.push(close);
        Ok(())
    }

    /// Appends a computed value; false for JSONata's undefined, which members and items that are so leave out.
    fn value(&mut self, value: &JValue) -> Result<bool, Refusal> {
        // Arrays may share their parts, so a result can be far larger than its memory.
        self.check()?;
        match value {
            JValue::Undefined => return Ok(false),
            JValue::Null => self.text.extend_from_slice(b"null"),
            JValue::Bool(flag) => self.text.extend_from_slice(if *flag { b"true" } else { b"false" }),
            JValue::Number(number) => {
                let number = json_number(*number).map_err(Refusal::Error)?;
                self.text.extend_from_slice(number.to_string().as_bytes());
            }
            JValue::String(text) => self.string(text)?,
            JValue::Array(items) => with_stack(|| {
                self.text.push(b'[');
                let start = self.text.len();
                for item in items.iter() {
                    let end = self.text.len();
                    if end > start {
                        self.text.push(b',');
                    }
                    if !self.value(item)? {
                        self.text.truncate(end);
                    }
                }
                self.text.push(b']');
                Ok::<_, Refusal>(())
            })?,
            JValue::Object(members) => with_stack(|| {
                self.text.push(b'{');
                let start = self.text.len();
                for (name, member) in members.iter() {
                    let end = self.text.len();
                    if end > start {
                        self.text.push(b',');
                    }
                    self.string(name)?;
                    self.text.push(b':');
                    if !self.value(member)? {
                        self.text.truncate(end);
                    }
                }
                self.text.push(b'}');
                Ok::<_, Refusal>(())
            })?,
            // What is no JSON is the evaluator's to explain.
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => return Err(Refusal::Judge),
        }
        Ok(true)
    }

    fn string(&mut self, text: &str) -> Result<(), Refusal> {
        serde_json::to_writer(&mut self.text, text).map_err(|_| Refusal::Judge)
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.text.len() > self.most { Err(Refusal::Judge) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
