//! JSONPath (RFC 9535): which values of the document an expression picks.
//!
//! The library parses; evaluation is here. Paths of names and indexes, which is nearly all of them,
//! are a walk over references. Everything else runs under a budget of visited nodes, because a query
//! such as `$..*..*..*` or `$[0,0][0,0]…` grows with a power of the document or of its own length.
//! Values are never converted: what is picked is what came, 64-bit integers included.
//!
//! Refused although the library would take them: its functions beyond the RFC (`in`, `none_of`, …),
//! patterns that are not literals (each would be compiled per node), and calls that the RFC's type
//! rules forbid.

mod check;
mod compare;
mod run;

use std::collections::HashMap;
use std::sync::Arc;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{self, JpQuery, Selector};
use jsonpath_rust::parser::parse_json_path;
use regex::Regex;
use serde_json::Value;

use crate::error::{EvalError, MappingError, MappingErrorKind};
use crate::limits::Limits;

/// Most function calls within function calls: the grammar tries each twice.
const NESTED_CALLS: usize = 4;
/// Most parentheses and brackets within each other.
const NESTED_GROUPS: usize = 32;

/// One step of a path of names and indexes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A member of an object.
    Name(String),
    /// An item of an array; negative counts from its end.
    Index(i64),
}

/// A parsed JSONPath. Cheap to clone and shared between threads.
#[derive(Debug, Clone)]
pub struct JsonPath(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: String,
    plan: Plan,
    query: JpQuery,
}

#[derive(Debug)]
enum Plan {
    /// A singular query: at most one match.
    Walk(Vec<Segment>),
    /// Any other query, with the patterns of its `match` and `search` calls, compiled.
    Query(Patterns),
}

/// Compiled patterns by their text and whether the whole string must match.
type Patterns = HashMap<(String, bool), Regex>;

impl JsonPath {
    /// Parses `$…`. Errors: [`MappingErrorKind::JsonPathSyntax`] with the offset where the parser
    /// stopped, [`MappingErrorKind::JsonPathTooComplex`], [`MappingErrorKind::ExpressionTooLong`].
    pub fn parse(source: &str, limits: &Limits) -> Result<JsonPath, MappingError> {
        if source.len() > limits.expression_bytes {
            return Err(MappingError::new(
                MappingErrorKind::ExpressionTooLong,
                source,
                format!("the JSONPath is longer than {} bytes", limits.expression_bytes),
            ));
        }
        check::nesting(source)?;
        let query = parse_json_path(source).map_err(|error| syntax(source, &error))?;
        let plan = match walk(&query) {
            Some(segments) => Plan::Walk(segments),
            None => Plan::Query(check::query(source, &query)?),
        };
        Ok(JsonPath(Arc::new(Parsed { source: source.to_owned(), plan, query })))
    }

    /// The JSONPath as written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether the query can match at most one value, by its form.
    pub fn is_singular(&self) -> bool {
        matches!(self.0.plan, Plan::Walk(_))
    }

    /// The names and indexes after `$` up to the first segment that is neither.
    pub fn prefix(&self) -> Vec<Segment> {
        self.0.query.segments.iter().map_while(segment).collect()
    }

    /// The segments of a singular query.
    pub(crate) fn walk(&self) -> Option<&[Segment]> {
        match &self.0.plan {
            Plan::Walk(segments) => Some(segments),
            Plan::Query(_) => None,
        }
    }

    pub(crate) fn query(&self) -> &JpQuery {
        &self.0.query
    }

    /// The matches, in document order where the RFC asks for an order.
    pub(crate) fn select<'v>(&self, root: &'v Value, limits: &Limits) -> Result<Picked<'v>, EvalError> {
        match &self.0.plan {
            Plan::Walk(segments) => Ok(Picked::One(run::walk(root, segments))),
            Plan::Query(patterns) => {
                run::Run::new(root, patterns, limits).query(&self.0.query).map(Picked::List)
            }
        }
    }
}

/// What a path picked.
#[derive(Debug)]
pub(crate) enum Picked<'v> {
    /// A singular query's value, if there is one.
    One(Option<&'v Value>),
    /// Any other query's matches.
    List(Vec<&'v Value>),
}

fn walk(query: &JpQuery) -> Option<Vec<Segment>> {
    query.segments.iter().map(segment).collect()
}

pub(crate) fn segment(segment: &model::Segment) -> Option<Segment> {
    match segment {
        model::Segment::Selector(Selector::Name(name)) => Some(Segment::Name(name.clone())),
        model::Segment::Selector(Selector::Index(index)) => Some(Segment::Index(*index)),
        _ => None,
    }
}

fn syntax(source: &str, error: &JsonPathError) -> MappingError {
    let JsonPathError::PestError(error) = error else {
        return MappingError::new(
            MappingErrorKind::JsonPathSyntax,
            source,
            format!("not a JSONPath: {error}"),
        );
    };
    // The position's type belongs to the parser generator, which is not a dependency of ours; its
    // text has the form ` --> line:column` first and `= what was expected` last.
    let text = error.to_string();
    let position = text
        .split_once("--> ")
        .and_then(|(_, rest)| rest.lines().next())
        .and_then(|at| at.trim().split_once(':'))
        .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let expected = text.rsplit_once("= ").map_or("a JSONPath", |(_, expected)| expected.trim());
    let mut refused = MappingError::new(
        MappingErrorKind::JsonPathSyntax,
        source,
        format!("not a JSONPath: {}", expected.replace('_', " ")),
    );
    refused.offset = position.and_then(|(line, column)| offset(source, line, column));
    refused
}

/// The byte offset of a line and a column in characters, both from 1.
fn offset(source: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = &source[start..];
    let within = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(at, _)| at);
    Some(start + within)
}

#[cfg(test)]
mod tests;
