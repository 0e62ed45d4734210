//! What a mapping may cost, in source and in evaluation.
//!
//! Every bound has a default that ordinary mappings never meet. Source bounds are checked by
//! `parse`, the others on every evaluation.

use std::time::Duration;

/// The stack, in bytes, that a thread evaluating mappings should have.
///
/// The engine moves deep recursion to heap segments by itself; this covers everything around it,
/// unoptimised builds included. Rust's default of 2 MiB works, 4 MiB leaves room for the caller.
pub const WORKER_STACK_BYTES: usize = 4 * 1024 * 1024;

/// The bounds of parsing and evaluation; `Limits::default()` is what the router runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of one evaluation. Default 1 s. Checked between the parts of a mapping, at each
    /// node of a JSONata expression and every few thousand nodes of a JSONPath, so a whole mapping
    /// ends within about twice this.
    pub timeout: Duration,
    /// Nested evaluation levels of a JSONata expression. Default 1,000, which is also the deepest
    /// expression that parses; a recursive function uses about three levels a call.
    pub depth: usize,
    /// Items of any sequence that JSONata makes. Default 100,000.
    pub sequence: usize,
    /// Size of a result as JSON text, in bytes, approximately. Default 4 MiB.
    pub output_bytes: usize,
    /// Work that may not finish within a time check: bytes and nodes that string building,
    /// serialising, comparing and matching may touch in one JSONata expression, and nodes that one
    /// JSONPath may visit. Default 64 Mi units, tenths of a second of work.
    pub work: usize,
    /// Length of one expression, in bytes. Default 16 KiB.
    pub expression_bytes: usize,
    /// Nesting of a mapping's tree. Default 64.
    pub mapping_depth: usize,
    /// Objects, arrays and values in a mapping's tree. Default 10,000.
    pub mapping_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            timeout: Duration::from_secs(1),
            depth: 1_000,
            sequence: 100_000,
            output_bytes: 4 * 1024 * 1024,
            work: 64 * 1024 * 1024,
            expression_bytes: 16 * 1024,
            mapping_depth: 64,
            mapping_nodes: 10_000,
        }
    }
}
