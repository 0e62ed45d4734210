//! Whole documents, and what comes of them.
