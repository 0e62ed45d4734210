//! What authors of components use at their desk: new projects, reasons why something is no usable component, and the
//! acceptance suite that every component must pass.
//!
//! The suite runs on an engine of its own, whose ports the caller gives: what is tested is the path that live steps
//! take. Deliberately not here: where that engine's broker and containers come from and who takes them away, what is
//! printed, and files of flows.
#![deny(missing_docs)]

mod acceptance;
mod expect;
mod finding;
mod inspect;
mod little_http;
mod probe;
mod project;
mod recording;
mod replay;
mod report;
mod suite;
mod tape;
mod token;
mod witness;

pub use acceptance::{Acceptance, AcceptanceFault, Case, ExpectedError, FunctionCases, Secrets};
pub use finding::{Finding, FindingCode, Severity, usable};
pub use inspect::{descriptor, folder, image, missing_image};
pub use probe::{Probed, probe};
pub use project::{Project, ProjectError, Sdk};
pub use recording::{Exchange, Recording, RecordingError};
pub use replay::{Replay, redirect};
pub use report::{Check, CheckName, Report, Verdict};
pub use suite::{Bench, Subject, Suite};
pub use tape::Tape;
pub use token::{TOKEN, with_token};
pub use witness::Witness;
