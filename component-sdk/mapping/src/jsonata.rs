//! One JSONata expression, parsed: what it may use, what it can cost, what runs.
//!
//! The library bounds time, depth and sequences, all checked between nodes. A single call can still
//! do unbounded work between two checks (`$pad("x", 1e9)`, `$string` of a value that shares its
//! parts, a string doubled forty times), so an expression runs in one of two forms:
//!
//! - *plain*, as written, if its cost is at most its own size times the document's ([`shape`]);
//! - *metered* otherwise: the tree is rewritten so that what concatenation, comparison, constructors
//!   and functions receive is weighed first, against one budget for the evaluation ([`meter`]).
//!
//! Regular expressions need no more than that: the library's engine is linear in the text.

pub(crate) mod meter;
pub(crate) mod shape;

use std::panic::catch_unwind;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{self, ParserError};

use crate::error::{MappingError, MappingErrorKind};
use crate::limits::Limits;
use shape::Shape;

/// The parsed forms of an expression. Plain data, shared between threads.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) plain: AstNode,
    pub(crate) metered: AstNode,
    pub(crate) shape: Shape,
}

impl Program {
    /// Parses the source without its `=`.
    pub(crate) fn parse(source: &str, limits: &Limits) -> Result<Program, MappingError> {
        if source.len() > limits.expression_bytes {
            return Err(MappingError::new(
                MappingErrorKind::ExpressionTooLong,
                source,
                format!("the expression is longer than {} bytes", limits.expression_bytes),
            ));
        }
        // The parser is as much the library's as the evaluator: what it cannot take is refused.
        let plain = catch_unwind(|| parser::parse(source))
            .map_err(|_| {
                let reason = "not a JSONata expression that the parser can read";
                MappingError::new(MappingErrorKind::JsonataSyntax, source, reason)
            })?
            .map_err(|error| syntax(source, &error))?;
        let shape = Shape::of(&plain)
            .map_err(|reason| MappingError::new(MappingErrorKind::JsonataForbidden, source, reason))?;
        let mut metered = plain.clone();
        meter::rewrite(&mut metered, shape.pattern);
        Ok(Program { plain, metered, shape })
    }
}

fn syntax(source: &str, error: &ParserError) -> MappingError {
    MappingError::new(MappingErrorKind::JsonataSyntax, source, format!("not a JSONata expression: {error}"))
}
