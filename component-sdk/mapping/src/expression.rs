//! A single JSONata expression, as conditions (`when`) and splits have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::MappingError;
use crate::jsonata::Program;
use crate::limits::Limits;
use crate::path::Segment;
use crate::reads::{Reads, jsonata};

/// A parsed JSONata expression. Cheap to clone and shared between threads.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    id: u64,
    source: String,
    program: Program,
    reads: Reads,
}

impl Expression {
    /// Parses an expression, with or without the leading `=` of mappings.
    ///
    /// Errors: `JsonataSyntax`, `JsonataForbidden`, `ExpressionTooLong`, with an empty place.
    pub fn parse(source: &str, limits: &Limits) -> Result<Expression, MappingError> {
        // Ids rather than addresses key the evaluators' caches: an address may be used again.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let source = source.strip_prefix('=').unwrap_or(source);
        let program = Program::parse(source, limits)?;
        let reads = jsonata::reads(&program.plain);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Expression(Arc::new(Parsed { id, source: source.to_owned(), program, reads })))
    }

    /// The expression as written, without a leading `=`.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Which names of the root it reads.
    pub fn reads(&self) -> &Reads {
        &self.0.reads
    }

    /// The member names of every path that starts at the root, as far as they are certain, such as
    /// `["body", "lines"]` for `body.lines[0].sku`. What an array holds is looked through by
    /// JSONata, so a schema must be walked the same way.
    pub fn paths(&self) -> Vec<Vec<Segment>> {
        jsonata::paths(&self.0.program.plain)
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn program(&self) -> &Program {
        &self.0.program
    }
}
