//! The two ways a mapping fails: it does not parse, or it does not evaluate.
//!
//! Kinds are stable, so that callers may branch on them and documentation may name them; reasons are
//! sentences for people. A reason of an evaluation may quote a value of the message.

use std::fmt;

/// Longest piece of an expression that an error repeats, in characters.
const QUOTED: usize = 200;

/// Why a mapping or an expression was refused by `parse`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MappingError {
    /// Where in the mapping, as a JSON Pointer; empty for the root or a lone expression.
    pub place: String,
    /// The expression as written, shortened to 200 characters; empty where no expression is at fault.
    pub expression: String,
    /// Byte offset in the expression, where it is known. The JSONata parser reports none.
    pub offset: Option<usize>,
    /// What kind of fault it is.
    pub kind: MappingErrorKind,
    /// One sentence for people.
    pub reason: String,
}

/// The stable kinds of [`MappingError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingErrorKind {
    /// Not a JSONPath of RFC 9535.
    JsonPathSyntax,
    /// A JSONPath whose cost cannot be bounded: a computed or oversized pattern, deep function calls.
    JsonPathTooComplex,
    /// Not a JSONata expression.
    JsonataSyntax,
    /// A JSONata function that mappings may not use, or may not use in this way.
    JsonataForbidden,
    /// An expression longer than [`Limits::expression_bytes`](crate::Limits::expression_bytes).
    ExpressionTooLong,
    /// A tree deeper than [`Limits::mapping_depth`](crate::Limits::mapping_depth).
    TooDeep,
    /// More nodes than [`Limits::mapping_nodes`](crate::Limits::mapping_nodes).
    TooManyNodes,
}

/// Why an evaluation gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EvalError {
    /// Where in the mapping, as a JSON Pointer; empty for the root or a lone expression.
    pub place: String,
    /// The expression as written, shortened to 200 characters.
    pub expression: String,
    /// Byte offset in the expression, where it is known. The JSONata evaluator reports none.
    pub offset: Option<usize>,
    /// What kind of failure it is.
    pub kind: EvalErrorKind,
    /// One sentence for people; may quote a value of the message.
    pub reason: String,
}

/// The stable kinds of [`EvalError`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EvalErrorKind {
    /// Ran longer than [`Limits::timeout`](crate::Limits::timeout).
    Timeout,
    /// Recursed deeper than [`Limits::depth`](crate::Limits::depth).
    Depth,
    /// Made a sequence longer than [`Limits::sequence`](crate::Limits::sequence).
    Sequence,
    /// Needed more than [`Limits::work`](crate::Limits::work).
    Work,
    /// Gave more than [`Limits::output_bytes`](crate::Limits::output_bytes).
    OutputSize,
    /// The expression itself failed, with the code of the JSONata documentation where it has one.
    Jsonata {
        /// Such as `T2001` or `D3030`; `D3137` is the expression's own `$error`.
        code: Option<String>,
    },
    /// The library itself gave up in a way it should not, such as an overflow in a date picture. The
    /// evaluator stays usable.
    Engine,
    /// The result holds NaN or an infinity, which JSON has not.
    NotFinite,
    /// The result holds a function or a pattern, which JSON has not.
    NotData,
}

impl MappingError {
    pub(crate) fn new(kind: MappingErrorKind, expression: &str, reason: impl Into<String>) -> Self {
        MappingError {
            place: String::new(),
            expression: shorten(expression),
            offset: None,
            kind,
            reason: reason.into(),
        }
    }

    pub(crate) fn at(mut self, place: &str) -> Self {
        self.place = place.to_owned();
        self
    }
}

impl EvalError {
    pub(crate) fn new(kind: EvalErrorKind, reason: impl Into<String>) -> Self {
        EvalError {
            place: String::new(),
            expression: String::new(),
            offset: None,
            kind,
            reason: reason.into(),
        }
    }

    pub(crate) fn at(mut self, place: &str, expression: &str) -> Self {
        self.place = place.to_owned();
        self.expression = shorten(expression);
        self
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.place, &self.expression, &self.reason)
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.place, &self.expression, &self.reason)
    }
}

fn sentence(f: &mut fmt::Formatter<'_>, place: &str, expression: &str, reason: &str) -> fmt::Result {
    if !expression.is_empty() {
        write!(f, "`{expression}`")?;
        if !place.is_empty() {
            write!(f, " at {place}")?;
        }
        f.write_str(": ")?;
    } else if !place.is_empty() {
        write!(f, "at {place}: ")?;
    }
    f.write_str(reason)
}

fn shorten(expression: &str) -> String {
    match expression.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.to_owned(),
    }
}
