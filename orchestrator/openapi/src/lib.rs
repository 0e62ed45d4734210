//! From an OpenAPI document to the file of a declarative connector.
//!
//! [`import()`] takes a document of OpenAPI 3.0 or 3.1 and gives a [`Manifest`](sluice_declarative::Manifest) without
//! faults, together with an [`ImportReport`] of what was left out, guessed or chosen: nothing is dropped in silence that a
//! user of the connector would miss. [`to_yaml`] writes the file for people.
//!
//! Invariant: whatever the document holds, what comes out passes `Manifest::check`; an operation that would not is left out
//! with the reason. Everything is a function of its arguments. Deliberately not here: files, the network, other documents
//! that a document refers to, and anything that only a look at the live API could tell.
#![deny(missing_docs)]

mod answer;
mod auth;
mod body;
mod bounds;
mod datatypes;
mod document;
mod error;
mod import;
mod input;
mod keyword;
mod media;
mod names;
mod operation;
mod pages;
mod parameter;
mod query;
mod report;
mod schema;
mod server;
mod shape;
mod version;
mod yaml;

#[cfg(test)]
mod laws;

pub use bounds::{MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS};
pub use error::ImportError;
pub use import::{Imported, Options, import};
pub use report::{ImportReport, Remark, RemarkKind};
pub use yaml::to_yaml;
