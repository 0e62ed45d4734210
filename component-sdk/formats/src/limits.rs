//! What a body may cost to decode or encode.
//!
//! Every bound has a default that the bodies of ordinary APIs never meet. Whoever downloads a body
//! should stop at [`Limits::bytes`] already; the check here is the second one.

use std::cell::Cell;

use crate::error::{FormatError, FormatErrorCode};

/// Deepest nesting whatever [`Limits::depth`] says: one less than what serde_json itself refuses, and
/// shallow enough for recursion on any thread.
const DEEPEST: usize = 126;

/// The bounds of decoding and encoding; `Limits::default()` suits an ordinary HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of a body. Default 32 MiB.
    pub bytes: usize,
    /// Nesting of objects, arrays or elements. Default 64; more than 126 counts as 126.
    pub depth: usize,
    /// Values in a body: each JSON value, XML element and attribute, form field and CSV cell.
    /// Default 500,000, which is at most about 100 MiB of memory beside the text itself.
    pub nodes: usize,
    /// Records of CSV and lines of NDJSON. Default 100,000.
    pub rows: usize,
    /// Parts of a multipart body. Default 1,000.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 32 * 1024 * 1024, depth: 64, nodes: 500_000, rows: 100_000, parts: 1_000 }
    }
}

impl Limits {
    pub(crate) fn deepest(&self) -> usize {
        self.depth.min(DEEPEST)
    }

    pub(crate) fn check_bytes(&self, bytes: usize) -> Result<(), FormatError> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let reason = format!("{bytes} bytes are more than the {} allowed", self.bytes);
        Err(FormatError::whole(FormatErrorCode::TooLarge, reason))
    }

    pub(crate) fn too_deep(&self) -> String {
        format!("nested deeper than {} levels", self.deepest())
    }

    pub(crate) fn too_many(&self) -> String {
        format!("more than {} values", self.nodes)
    }

    pub(crate) fn too_many_rows(&self) -> String {
        format!("more than {} rows", self.rows)
    }
}

/// What is left of [`Limits::nodes`] for one body.
#[derive(Debug)]
pub(crate) struct Meter {
    left: Cell<usize>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Meter { left: Cell::new(limits.nodes) }
    }

    /// Counts one value; false if there may be no more.
    pub(crate) fn take(&self) -> bool {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => false,
        }
    }
}
