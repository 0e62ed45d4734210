//! Why a document cannot be imported at all.

use crate::Platform;
use crate::bounds::{MAX_BYTES, MAX_DEPTH, MAX_FLOWS};

/// Why a document cannot be imported. A fault of one part is no such error: it is a finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is too large.
    #[error("the document has more than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// It can be read neither as JSON nor as YAML.
    #[error("the document is neither JSON nor YAML: {0}")]
    Unreadable(String),
    /// It nests too deep.
    #[error("the document nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It holds too much.
    #[error("the document holds more than {MAX_FLOWS} flows and components; import them in parts")]
    TooMany,
    /// Nothing in it is what it should be.
    #[error("nothing in the document is a flow, a template or a component of {0}")]
    Nothing(Platform),
    /// What stands in it belongs to the other platform.
    #[error("this is a document of {platform}: import it with `sluice import {}`", .platform.word())]
    Other {
        /// Whose.
        platform: Platform,
    },
    /// A record of a component, given beside the document, is none.
    #[error("the record {0} is no component: {1}")]
    Record(String, String),
}
