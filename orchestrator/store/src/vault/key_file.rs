//! The key file: a line for each master key, its id and 32 bytes in base 64. The last one seals, all of them open.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

const HEADER: &str = "\
# Sluice seals the keys of the secrets in its store with these keys. Keep this file with care, and apart from the store's
# backups: without it nobody can open the secrets again. A line is a key's id and the key; the last key seals, all of them
# open. `sluice keys` changes it.
";

/// No line of a key is as long as this, unless somebody else chose its id.
const LINE_BYTES: usize = 256;
/// No key file is as long as this.
const MOST_BYTES: u64 = 64 * 1024;

/// A key of the file.
pub(super) struct MasterKey {
    pub(super) id: String,
    pub(super) bytes: SecretBox<[u8; 32]>,
}

impl MasterKey {
    /// A new key.
    pub(super) fn random() -> Self {
        let mut bytes = SecretBox::new(Box::new([0; 32]));
        super::fill(bytes.expose_secret_mut());
        Self { id: new_id('k'), bytes }
    }
}

/// An id that no other key has.
pub(super) fn new_id(kind: char) -> String {
    let mut bytes = [0; 4];
    super::fill(&mut bytes);
    format!("{kind}{:08x}", u32::from_be_bytes(bytes))
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or made.
    #[error("cannot use the key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may use it.
    #[error("others can read the key file {path} (its mode is {mode:o}); run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is none that this program wrote, or there is no key.
    #[error("line {line} of the key file {path} is no key: an id, a space, and 32 bytes in base 64")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Reads the keys, and makes the file when it is not there.
pub(super) fn read_or_make(path: &Path) -> Result<Vec<MasterKey>, KeyFileError> {
    let failed = |source| KeyFileError::File { path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path).map_err(failed)?;
            read(path, File::open(path).map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

fn read(path: &Path, file: File) -> Result<Vec<MasterKey>, KeyFileError> {
    let failed = |source| KeyFileError::File { path: path.to_owned(), source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = SecretBox::<String>::default();
    file.take(MOST_BYTES).read_to_string(text.expose_secret_mut()).map_err(failed)?;
    let mut keys: Vec<MasterKey> = Vec::new();
    let mut number = 0;
    for line in text.expose_secret().lines() {
        number += 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || KeyFileError::Line { path: path.to_owned(), line: number };
        let (id, key) = line.split_once(' ').ok_or_else(wrong)?;
        let bytes = decode(key.trim()).ok_or_else(wrong)?;
        // Two keys of one id would make what the first one sealed unreadable.
        if keys.iter().any(|key| key.id == id) {
            return Err(wrong());
        }
        keys.push(MasterKey { id: id.to_owned(), bytes });
    }
    if keys.is_empty() {
        return Err(KeyFileError::Line { path: path.to_owned(), line: number + 1 });
    }
    Ok(keys)
}

fn decode(text: &str) -> Option<SecretBox<[u8; 32]>> {
    let mut key = SecretBox::new(Box::new([0; 32]));
    let bytes = SecretBox::new(Box::new(BASE64_STANDARD.decode(text).ok()?));
    let exact: &[u8; 32] = bytes.expose_secret().as_slice().try_into().ok()?;
    key.expose_secret_mut().copy_from_slice(exact);
    Some(key)
}

/// Makes the file with one random key. It appears whole or not at all, and never replaces another.
fn make(path: &Path) -> io::Result<()> {
    let fresh = write_beside(path, &[MasterKey::random()])?;
    // A link, unlike a renaming, fails where a file is already.
    let linked = std::fs::hard_link(&fresh, path);
    std::fs::remove_file(&fresh)?;
    linked?;
    sync_folder(path)
}

/// Replaces the keys of the file. Whatever happens, the file has either all of these keys or all that it had.
pub(super) fn replace(path: &Path, keys: &[MasterKey]) -> io::Result<()> {
    let fresh = write_beside(path, keys)?;
    if let Err(error) = std::fs::rename(&fresh, path) {
        std::fs::remove_file(&fresh)?;
        return Err(error);
    }
    sync_folder(path)
}

/// Writes a file with these keys beside the key file.
fn write_beside(path: &Path, keys: &[MasterKey]) -> io::Result<PathBuf> {
    // Room for all, so that growing leaves no copies of keys behind.
    let mut text = SecretBox::new(Box::new(String::with_capacity(HEADER.len() + keys.len() * LINE_BYTES)));
    text.expose_secret_mut().push_str(HEADER);
    for key in keys {
        let line = SecretBox::new(Box::new(BASE64_STANDARD.encode(key.bytes.expose_secret())));
        for part in [key.id.as_str(), " ", line.expose_secret(), "\n"] {
            text.expose_secret_mut().push_str(part);
        }
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    // What a process of this id left behind when it was killed.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    let written = file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        std::fs::remove_file(&fresh)?;
        return Err(error);
    }
    Ok(fresh)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
