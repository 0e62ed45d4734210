//! Mappings: JSON trees of literals, JSONPath and JSONata that shape each message.
//!
//! The planner ([`Mapping::parse`], [`Mapping::reads`]), the router ([`Evaluator`]) and `sluice map`
//! use this one crate, so what is checked, tried and run is the same code.
//!
//! Invariants: a parsed [`Mapping`] or [`Expression`] is plain data that any thread may share; an
//! [`Evaluator`] belongs to one thread; no mapping, however hostile, panics, overflows the stack or
//! runs much beyond its [`Limits`].
//!
//! Deliberately not here: which documents exist (the caller builds the root), what happens after a
//! failure (the step's error policy), any I/O, and any name beyond the root document: there are no
//! bindings, so there is no way to reach the environment or a secret.
#![deny(missing_docs)]

mod error;
mod evaluator;
mod expression;
mod jsonata;
mod limits;
mod mapping;
mod path;
mod query;
mod reads;
mod root;
mod text;
mod value;

pub use error::{EvalError, EvalErrorKind, MappingError, MappingErrorKind};
pub use evaluator::Evaluator;
pub use expression::Expression;
pub use limits::{Limits, WORKER_STACK_BYTES};
pub use mapping::{Mapping, PathUse};
pub use path::{JsonPath, Segment};
pub use query::{Query, is_expression};
pub use reads::{Reads, StepRead, StepReads};
pub use root::Root;
