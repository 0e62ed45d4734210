//! Opening the store: lock, check, migrate. Whatever is wrong is refused with a plain sentence and left as it is.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use crate::failure::primary_code;
use crate::sqlite::SqliteStore;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How many lists can be read at a time.
const READERS: u32 = 4;

/// What the connection that writes keeps of the file, in KiB, as SQLite wants it said (`PRAGMA cache_size`).
const WRITER_CACHE: &str = "-32768";

/// What each connection that reads keeps of it. Each has a cache of its own, and the system keeps the file besides.
const READER_CACHE: &str = "-4096";

/// Files up to this size are checked when they are opened: a few seconds at most.
const CHECKED_BYTES: u64 = 2 << 30;

/// A store that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be used.
    #[error("cannot use the store's file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the store {0} is in use by another process; two orchestrators cannot share it")]
    InUse(PathBuf),
    /// The file is no store, or was damaged.
    #[error("the store {path} is damaged and was left as it is; restore a backup or move it away")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version of the program has written it.
    #[error("the store {path} was written by a newer version of this program (it knows change {version})")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The migration that is unknown here.
        version: i64,
    },
    /// A migration failed; the store is as it was before.
    #[error("cannot bring the store {path} up to date")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SqliteStore {
    /// Opens the store in this file, and makes it when it is not there.
    ///
    /// # Errors
    /// See [`OpenError`]. No error changes the file.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let size = make_private(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let damaged = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Damaged {
            path: path.to_owned(),
            source,
        };
        let options = options(path);
        let writer = pool(1).connect_with(options.clone()).await.map_err(|error| unreadable(path, error))?;
        if size <= CHECKED_BYTES {
            check(&writer).await.map_err(damaged)?;
        } else {
            tracing::info!(size, "the store is too large to be checked when it is opened");
        }
        MIGRATIONS.run(&writer).await.map_err(|error| not_migrated(path, error))?;
        let reading = options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE);
        let readers = pool(READERS).connect_with(reading).await;
        let readers = readers.map_err(|error| unreadable(path, error))?;
        Ok(Self { writer, readers, _lock: lock })
    }
}

/// Keeps every other process away from the store.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |source| OpenError::File { path: name.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes the file if it is not there, takes it from everybody else, and says how large it is. SQLite gives the files
/// beside it the same mode.
fn make_private(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file.metadata()?.len())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("journal_size_limit", "67108864")
        // Pages: the indexes on ids, which are spread like hashes, want this and the cache larger than they are by default.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("cache_size", WRITER_CACHE)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // Connections to a file do not grow old.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_release(|connection, _| Box::pin(is_sound(connection)))
}

/// Whether a connection can be used again. On a full disk or a failed read SQLite ends the transaction by itself; the
/// rollback that follows finds none and fails, and the driver goes on to believe that one is open: it would refuse every
/// further one, for ever. Such a connection is closed, and the next caller gets a new one.
async fn is_sound(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of what was not committed waits in line before this.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn check(writer: &SqlitePool) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(writer).await?;
    if found == "ok" { Ok(()) } else { Err(found.into()) }
}

fn unreadable(path: &Path, error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(primary_code);
    let path = path.to_owned();
    // Corrupt, or no database at all.
    if matches!(code, Some(11 | 26)) {
        OpenError::Damaged { path, source: error.into() }
    } else {
        OpenError::File { path, source: io::Error::other(error) }
    }
}

fn not_migrated(path: &Path, error: MigrateError) -> OpenError {
    let path = path.to_owned();
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            OpenError::Newer { path, version }
        }
        error => OpenError::Migrate { path, source: error.into() },
    }
}
