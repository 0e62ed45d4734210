//! Multipart bodies: `multipart/form-data` (RFC 7578) written and read, any other multipart read.
//!
//! A large file is never copied: writing gives the body as pieces, with the caller's bytes between
//! small ones for the headers, and reading gives slices of the body that came in.
//!
//! Names and file names are written as browsers do (WHATWG HTML, "multipart form data"): UTF-8, with
//! `"` as `%22`, CR as `%0D` and LF as `%0A`. Since browsers leave `%` alone, a name that holds one of
//! these three sequences is read back as the character.
//!
//! Deliberately not here: transfer encodings, which RFC 7578 has deprecated (a part that needs one is
//! refused), nested multiparts, and headers beyond those of [`Part`].

use bytes::Bytes;

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{Encoded, encode};

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The field's name; empty if a part that was read has none, as outside of forms.
    pub name: String,
    /// The file's name, which makes the part a file. As it was sent: it may hold a path.
    pub filename: Option<String>,
    /// The part's own content type.
    pub content_type: Option<String>,
    /// The content.
    pub body: PartBody,
}

/// The content of a part. Reading gives [`PartBody::Bytes`] always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartBody {
    /// Text, as UTF-8.
    Text(String),
    /// Bytes in one piece.
    Bytes(Bytes),
    /// Bytes in several pieces, such as a download gives.
    Chunks(Vec<Bytes>),
}

impl PartBody {
    /// The number of bytes.
    pub fn len(&self) -> usize {
        match self {
            PartBody::Text(text) => text.len(),
            PartBody::Bytes(bytes) => bytes.len(),
            PartBody::Chunks(chunks) => chunks.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether there is not one byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn into_chunks(self) -> Vec<Bytes> {
        match self {
            PartBody::Text(text) => vec![Bytes::from(text)],
            PartBody::Bytes(bytes) => vec![bytes],
            PartBody::Chunks(chunks) => chunks,
        }
    }
}
