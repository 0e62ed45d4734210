//! What should be: from files and a catalogue of what is installed to flows that are ready to run.
//!
//! [`read()`] turns files into documents, [`check_template`] and [`check_instance`] find what is wrong with them,
//! [`compile()`] makes a flow of a template, parameters and instances, [`diff()`] says what a new version changes and
//! [`graph()`] draws it. Every fault is a [`Diagnostic`] with a code, a place and a sentence, and all faults are found at
//! once, never just the first. Each code has a page under `docs/errors/`.
//!
//! Everything here is a function of its arguments. Deliberately not here: files, the store, and what runs at the
//! moment; the engine compares that with what should be.
#![deny(missing_docs)]
#![warn(clippy::wildcard_enum_match_arm)]

mod builtin;
mod catalogue;
mod check;
mod code;
mod compile;
mod diagnostic;
mod diff;
mod document;
mod documents;
mod graph;
mod near;
mod places;
mod prepare;
mod read;
mod resolve;
mod schema;
mod topology;
mod upgrade;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

pub use builtin::BUILTIN;
pub use catalogue::{Catalogue, InstanceFacts};
pub use check::{check_instance, check_template};
pub use code::Code;
pub use compile::{Demand, compile};
pub use diagnostic::{Diagnostic, Report, Severity};
pub use diff::{Change, FlowDiff, Item, Subject, diff};
pub use document::SourceFile;
pub use documents::{ConnectorDoc, Documents, FlowDoc, InstanceDoc, SecretSource, TemplateDoc};
pub use graph::graph;
pub use near::nearest;
pub use places::{Mark, Places};
pub use prepare::{PrepareError, Prepared, Run, prepare_script};
pub use read::read;
pub use schema::{Violation, faults as schema_faults, violations as schema_violations};
pub use upgrade::{ConnectorChange, connector_changes, instance_faults, uses};
