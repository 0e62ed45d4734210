//! The socket: one launcher at a time, and reachable by one group only.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Its owner and its group may ask.
const MODE: u32 = 0o660;

/// A Unix socket that nobody else serves. Removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Holds the lock while it is open.
    _lock: File,
}

/// A socket that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another launcher has it.
    #[error("another launcher serves {0}")]
    Taken(PathBuf),
    /// It cannot be made: no such folder, no rights, a path of more than 100 bytes.
    #[error("the socket {path} cannot be made")]
    Make {
        /// The path as configured.
        path: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// It cannot be given to the group: this user is not in it.
    #[error("the socket {path} cannot be given to the group {group}")]
    Group {
        /// The path as configured.
        path: PathBuf,
        /// The group's number.
        group: u32,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

impl Socket {
    /// Makes the socket with mode 0660, for `group` where it is given. What an ended launcher left behind makes way.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Make { path: path.to_owned(), source };
        let lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(beside(path, ".lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SocketError::Taken(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Under another name until it is as it should be, so that nobody finds it half made.
        let making = beside(path, ".new");
        match std::fs::remove_file(&making) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = StdListener::bind(&making).map_err(failed)?;
        std::fs::set_permissions(&making, Permissions::from_mode(MODE)).map_err(failed)?;
        if let Some(group) = group {
            let refused = |source| SocketError::Group { path: path.to_owned(), group, source };
            chown(&making, None, Some(group)).map_err(refused)?;
        }
        std::fs::rename(&making, path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The lock is still held, so it is no other launcher's.
        std::fs::remove_file(&self.path).ok();
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_one_launchers_and_what_is_left_over_makes_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("launcher.sock");
        // As a killed launcher leaves it.
        drop(StdListener::bind(&path).unwrap());
        drop(StdListener::bind(beside(&path, ".new")).unwrap());
        let own = std::fs::metadata(folder.path()).unwrap().gid();
        let first = Socket::bind(&path, Some(own)).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.gid()), (MODE, own));
        assert!(matches!(Socket::bind(&path, None), Err(SocketError::Taken(_))));
        tokio::net::UnixStream::connect(&path).await.expect("the first one still listens");
        drop(first);
        assert!(!path.exists(), "it is taken away");
        Socket::bind(&path, None).unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_told() {
        let error = Socket::bind(Path::new("/nowhere/at/all/launcher.sock"), None).unwrap_err();
        assert!(matches!(error, SocketError::Make { .. }), "{error}");
    }
}
