//! The store on disk: SQLite, and the vault that seals its secrets. The only crate that knows sqlx.
//!
//! One file, one process, one writer. Every write is committed with `synchronous=FULL` before its call returns, so what
//! was acknowledged survives kill -9 and power loss. Nothing here ever deletes or replaces a file that it cannot read.

mod failure;
mod row;
mod sqlite;
mod vault;

pub use sqlite::{OpenError, SqliteStore};
pub use vault::{FileVault, KeyFileError};
