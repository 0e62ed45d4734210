//! Why a document cannot be imported at all.

use crate::bounds::{MAX_DEPTH, MAX_OPERATIONS};

/// Why a document cannot be imported. A fault of one operation is no such error: that operation is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is none.
    #[error("this is no OpenAPI document: it has no field `openapi` that says its version")]
    NotOpenApi,
    /// Swagger 2.0 is another format.
    #[error(
        "this is a Swagger {0} document; OpenAPI 3.0 and 3.1 can be imported, and converters from Swagger exist"
    )]
    Swagger(String),
    /// Another version of OpenAPI.
    #[error("this is a document of OpenAPI {0}; 3.0 and 3.1 can be imported")]
    Version(String),
    /// It nests too deep.
    #[error("the document nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It has too many operations.
    #[error("{found} operations are asked for, more than {MAX_OPERATIONS}")]
    TooManyOperations {
        /// How many.
        found: usize,
    },
    /// It has no operations.
    #[error("the document describes no operation")]
    Empty,
    /// What was chosen is not there.
    #[error("no operation has the tag or path that was asked for; the tags are: {tags}")]
    NoneChosen {
        /// The tags of the document.
        tags: String,
    },
    /// Nothing can be made of the operations.
    #[error("none of the {operations} operations can be imported; the first, {first}, since {why}")]
    NothingLeft {
        /// How many there are.
        operations: usize,
        /// The first.
        first: String,
        /// Why not.
        why: String,
    },
    /// A fault of the connector that belongs to no operation.
    #[error("the connector would not be valid: {0}")]
    Invalid(String),
}
