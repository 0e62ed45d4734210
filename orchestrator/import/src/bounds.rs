//! What a document may cost.

/// Most bytes of a document: 8 MiB.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Deepest nesting of a document.
pub const MAX_DEPTH: usize = 64;
/// Most flows, templates and components of a document.
pub const MAX_FLOWS: usize = 500;
/// Most steps of one flow: as many as a template may have.
pub const MAX_STEPS: usize = 500;
/// Most bytes of an expression that is looked through: as many as one may have here.
pub(crate) const EXPRESSION_BYTES: usize = 16 * 1024;
/// Most edges of one flow, those that routers and mappers become included.
pub(crate) const MAX_EDGES: usize = 5_000;
