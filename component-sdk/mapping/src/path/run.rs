//! Running a JSONPath query over references, under a budget of visited nodes.

use std::borrow::Cow;
use std::time::Instant;

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, FnArg, JpQuery, Literal, Segment as Seg, Selector,
    SingularQuery, SingularQuerySegment, Test, TestFunction,
};
use serde_json::Value;

use super::{Patterns, Segment, compare};
use crate::error::{EvalError, EvalErrorKind};
use crate::limits::Limits;

/// Nodes between two looks at the clock.
const TICKS: usize = 4096;

/// The value at the end of names and indexes, if it is there.
pub(super) fn walk<'v>(root: &'v Value, segments: &[Segment]) -> Option<&'v Value> {
    segments.iter().try_fold(root, |value, segment| match segment {
        Segment::Name(name) => value.as_object()?.get(name),
        Segment::Index(index) => item(value, *index),
    })
}

fn item(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    let at = if index < 0 { index.checked_add(i64::try_from(items.len()).ok()?)? } else { index };
    items.get(usize::try_from(at).ok()?)
}

/// One evaluation of one query.
pub(super) struct Run<'p, 'v> {
    root: &'v Value,
    patterns: &'p Patterns,
    left: usize,
    unchecked: usize,
    started: Instant,
    limits: &'p Limits,
}

impl<'p, 'v> Run<'p, 'v> {
    pub(super) fn new(root: &'v Value, patterns: &'p Patterns, limits: &'p Limits) -> Self {
        let started = Instant::now();
        // A visited node costs about as much as sixteen bytes of the other kinds of work.
        Run { root, patterns, left: limits.work / 16, unchecked: 0, started, limits }
    }

    pub(super) fn query(&mut self, query: &JpQuery) -> Result<Vec<&'v Value>, EvalError> {
        self.segments(&query.segments, self.root)
    }

    fn spend(&mut self, nodes: usize) -> Result<(), EvalError> {
        self.left = self
            .left
            .checked_sub(nodes)
            .ok_or_else(|| EvalError::new(EvalErrorKind::Work, "the JSONPath visits too many values"))?;
        self.unchecked += nodes;
        if self.unchecked >= TICKS {
            self.unchecked = 0;
            if self.started.elapsed() > self.limits.timeout {
                return Err(EvalError::new(EvalErrorKind::Timeout, "the JSONPath took too long"));
            }
        }
        Ok(())
    }

    fn segments(&mut self, segments: &[Seg], from: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        let mut nodes = vec![from];
        for segment in segments {
            let mut next = Vec::new();
            for node in nodes {
                self.segment(segment, node, &mut next)?;
            }
            nodes = next;
        }
        Ok(nodes)
    }

    fn segment(&mut self, segment: &Seg, node: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), EvalError> {
        match segment {
            Seg::Selector(selector) => self.selector(selector, node, out),
            Seg::Selectors(selectors) => {
                selectors.iter().try_for_each(|selector| self.selector(selector, node, out))
            }
            Seg::Descendant(inner) => {
                // Own stack, since a document may be deeper than the thread's.
                let mut pending = vec![node];
                while let Some(node) = pending.pop() {
                    self.segment(inner, node, out)?;
                    let start = pending.len();
                    pending.extend(children(node));
                    pending[start..].reverse();
                    self.spend(pending.len() - start)?;
                }
                Ok(())
            }
        }
    }

    fn selector(
        &mut self,
        selector: &Selector,
        node: &'v Value,
        out: &mut Vec<&'v Value>,
    ) -> Result<(), EvalError> {
        self.spend(1)?;
        let before = out.len();
        match selector {
            Selector::Name(name) => out.extend(node.as_object().and_then(|it| it.get(name))),
            Selector::Index(index) => out.extend(item(node, *index)),
            Selector::Wildcard => out.extend(children(node)),
            Selector::Slice(start, end, step) => {
                if let Some(items) = node.as_array() {
                    slice(items, *start, *end, *step, out);
                }
            }
            Selector::Filter(filter) => {
                for child in children(node) {
                    self.spend(1)?;
                    if self.filter(filter, child)? {
                        out.push(child);
                    }
                }
            }
        }
        self.spend(out.len() - before)
    }

    fn filter(&mut self, filter: &Filter, node: &'v Value) -> Result<bool, EvalError> {
        match filter {
            Filter::Or(parts) => self.any(parts, node, true),
            Filter::And(parts) => self.any(parts, node, false).map(|failed| !failed),
            Filter::Atom(FilterAtom::Filter { expr, not }) => Ok(self.filter(expr, node)? != *not),
            Filter::Atom(FilterAtom::Test { expr, not }) => Ok(self.test(expr, node)? != *not),
            Filter::Atom(FilterAtom::Comparison(comparison)) => self.comparison(comparison, node),
        }
    }

    fn any(&mut self, parts: &[Filter], node: &'v Value, sought: bool) -> Result<bool, EvalError> {
        for part in parts {
            if self.filter(part, node)? == sought {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn test(&mut self, test: &Test, node: &'v Value) -> Result<bool, EvalError> {
        match test {
            Test::Function(function) => {
                let found = self.function(function, node)?;
                Ok(found.is_some_and(|value| *value == Value::Bool(true)))
            }
            query => Ok(!self.nodes(query, node)?.is_empty()),
        }
    }

    fn nodes(&mut self, test: &Test, node: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        match test {
            Test::RelQuery(segments) => self.segments(segments, node),
            Test::AbsQuery(query) => self.segments(&query.segments, self.root),
            Test::Function(_) => Ok(Vec::new()),
        }
    }

    fn comparison(&mut self, comparison: &Comparison, node: &'v Value) -> Result<bool, EvalError> {
        let (left, right) = comparison.vals();
        let left = self.comparable(left, node)?;
        let right = self.comparable(right, node)?;
        // Comparing two documents may touch all of both.
        let size = |value: &Option<Cow<'_, Value>>| value.as_deref().map_or(1, compare::weight);
        self.spend(size(&left).min(size(&right)))?;
        let (left, right) = (left.as_deref(), right.as_deref());
        Ok(match comparison {
            Comparison::Eq(..) => compare::equal(left, right),
            Comparison::Ne(..) => !compare::equal(left, right),
            Comparison::Lt(..) => compare::less(left, right),
            Comparison::Gt(..) => compare::less(right, left),
            Comparison::Lte(..) => compare::less(left, right) || compare::equal(left, right),
            Comparison::Gte(..) => compare::less(right, left) || compare::equal(left, right),
        })
    }

    fn comparable(
        &mut self,
        comparable: &Comparable,
        node: &'v Value,
    ) -> Result<Option<Cow<'v, Value>>, EvalError> {
        match comparable {
            Comparable::Literal(value) => Ok(Some(Cow::Owned(literal(value)))),
            Comparable::Function(function) => self.function(function, node),
            Comparable::SingularQuery(query) => {
                self.spend(1)?;
                let (from, segments) = match query {
                    SingularQuery::Current(segments) => (node, segments),
                    SingularQuery::Root(segments) => (self.root, segments),
                };
                Ok(singular(from, segments).map(Cow::Borrowed))
            }
        }
    }

    fn function(
        &mut self,
        function: &TestFunction,
        node: &'v Value,
    ) -> Result<Option<Cow<'v, Value>>, EvalError> {
        let found = match function {
            TestFunction::Length(argument) => {
                let value = self.argument(argument, node)?;
                value.as_deref().and_then(compare::length).map(Value::from)
            }
            TestFunction::Count(argument) => Some(Value::from(self.argument_nodes(argument, node)?.len())),
            TestFunction::Value(argument) => {
                return Ok(match self.argument_nodes(argument, node)?[..] {
                    [value] => Some(Cow::Borrowed(value)),
                    _ => None,
                });
            }
            TestFunction::Search(text, pattern) => Some(self.matches(text, pattern, false, node)?),
            TestFunction::Match(text, pattern) => Some(self.matches(text, pattern, true, node)?),
            TestFunction::Custom(..) => None,
        };
        Ok(found.map(Cow::Owned))
    }

    fn matches(
        &mut self,
        text: &FnArg,
        pattern: &FnArg,
        whole: bool,
        node: &'v Value,
    ) -> Result<Value, EvalError> {
        let text = self.argument(text, node)?;
        let (Some(Value::String(text)), FnArg::Literal(Literal::String(pattern))) =
            (text.as_deref(), pattern)
        else {
            return Ok(Value::Bool(false));
        };
        // The engine is linear in the text, with a factor that grows with the pattern.
        self.spend(1 + text.len() * (4 + pattern.len()) / 64)?;
        let compiled = self.patterns.get(&(pattern.clone(), whole));
        Ok(Value::Bool(compiled.is_some_and(|compiled| compiled.is_match(text))))
    }

    fn argument(&mut self, argument: &FnArg, node: &'v Value) -> Result<Option<Cow<'v, Value>>, EvalError> {
        match argument {
            FnArg::Literal(value) => Ok(Some(Cow::Owned(literal(value)))),
            FnArg::Test(test) => match &**test {
                Test::Function(function) => self.function(function, node),
                query => Ok(self.nodes(query, node)?.first().map(|value| Cow::Borrowed(*value))),
            },
            FnArg::Filter(_) => Ok(None),
        }
    }

    fn argument_nodes(&mut self, argument: &FnArg, node: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        match argument {
            FnArg::Test(test) => self.nodes(test, node),
            FnArg::Literal(_) | FnArg::Filter(_) => Ok(Vec::new()),
        }
    }
}

fn singular<'v>(from: &'v Value, segments: &[SingularQuerySegment]) -> Option<&'v Value> {
    segments.iter().try_fold(from, |value, segment| match segment {
        SingularQuerySegment::Name(name) => value.as_object()?.get(name),
        SingularQuerySegment::Index(index) => item(value, *index),
    })
}

fn children(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match node {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// RFC 9535, 2.3.4.2.2.
fn slice<'v>(
    items: &'v [Value],
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
    out: &mut Vec<&'v Value>,
) {
    let len = items.len() as i64;
    let step = step.unwrap_or(1);
    let normal = |index: i64| if index >= 0 { index } else { len.saturating_add(index) };
    if step > 0 {
        let from = normal(start.unwrap_or(0)).clamp(0, len);
        let to = normal(end.unwrap_or(len)).clamp(0, len);
        out.extend((from..to).step_by(step as usize).filter_map(|at| items.get(at as usize)));
    } else if step < 0 {
        let from = normal(start.unwrap_or(len - 1)).clamp(-1, len - 1);
        let to = end.map_or(-1, normal).clamp(-1, len - 1);
        let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
        out.extend((to + 1..=from).rev().step_by(stride).filter_map(|at| items.get(at as usize)));
    }
}

fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Int(number) => Value::from(*number),
        Literal::Float(number) => Value::from(*number),
        Literal::String(text) => Value::from(text.as_str()),
        Literal::Bool(flag) => Value::Bool(*flag),
        Literal::Null => Value::Null,
    }
}
