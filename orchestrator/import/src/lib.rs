//! From flows, templates and component records of other platforms to files of ours.
//!
//! [`import()`] takes a document of elastic.io or of the Open Integration Hub and gives templates, instances and what else
//! they need, as texts, together with the images to adopt and with [`Finding`]s: whatever has no equal here is named with a
//! stable code, its place and what to do. Nothing is left out in silence, and no secret is copied.
//!
//! Invariant: whatever the document holds, it gives files or findings or an error, and never a panic; what is written can be
//! read again by the planner. Everything is a function of its arguments. Deliberately not here: files, the network, images.
#![deny(missing_docs)]

mod bounds;
mod build;
mod component;
mod credentials;
mod elasticio;
mod error;
mod expression;
mod fields;
mod finding;
mod graph;
mod import;
mod inputs;
mod mapper;
mod model;
mod names;
mod object;
mod oih;
mod platform;
mod router;
mod start;
mod steps;
mod text;
mod webhook;

#[cfg(test)]
mod tests;

pub use bounds::{MAX_BYTES, MAX_DEPTH, MAX_FLOWS, MAX_STEPS};
pub use error::ImportError;
pub use finding::{Finding, FindingCode, Severity};
pub use import::{Image, Imported, Options, OutFile, import};
pub use platform::Platform;
