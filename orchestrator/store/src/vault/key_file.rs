//! The key file: a line for each key, its id and 32 bytes in base 64. The last one seals, all of them open.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretBox};

const HEADER: &str = "\
# Sluice seals the secrets in its store with these keys. Keep this file with care, and apart from the store's backups:
# without it nobody can open the secrets again. A line is a key's id and the key; the last key seals, all of them open.
";

/// No key file is as long as this.
const MOST_BYTES: u64 = 64 * 1024;

/// The keys of a file.
pub(super) struct Keys {
    pub(super) by_id: BTreeMap<String, SecretBox<[u8; 32]>>,
    /// The id of the key that seals.
    pub(super) current: String,
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
pub(super) fn read_or_make(path: &Path) -> Result<Keys, KeyFileError> {
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

fn read(path: &Path, file: File) -> Result<Keys, KeyFileError> {
    let failed = |source| KeyFileError::File { path: path.to_owned(), source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = SecretBox::<String>::default();
    file.take(MOST_BYTES)
        .read_to_string(secrecy::ExposeSecretMut::expose_secret_mut(&mut text))
        .map_err(failed)?;
    let mut keys = BTreeMap::new();
    let mut current = None;
    let mut number = 0;
    for line in text.expose_secret().lines() {
        number += 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || KeyFileError::Line { path: path.to_owned(), line: number };
        let (id, key) = line.split_once(' ').ok_or_else(wrong)?;
        let key = decode(key.trim()).ok_or_else(wrong)?;
        // Two keys of one id would make what the first one sealed unreadable.
        if keys.insert(id.to_owned(), key).is_some() {
            return Err(wrong());
        }
        current = Some(id.to_owned());
    }
    let current = current.ok_or_else(|| KeyFileError::Line { path: path.to_owned(), line: number + 1 })?;
    Ok(Keys { by_id: keys, current })
}

fn decode(text: &str) -> Option<SecretBox<[u8; 32]>> {
    let mut key = SecretBox::new(Box::new([0; 32]));
    let bytes = SecretBox::new(Box::new(BASE64_STANDARD.decode(text).ok()?));
    let exact: &[u8; 32] = bytes.expose_secret().as_slice().try_into().ok()?;
    secrecy::ExposeSecretMut::expose_secret_mut(&mut key).copy_from_slice(exact);
    Some(key)
}

/// Makes the file with one random key. It appears whole or not at all, and never replaces another.
fn make(path: &Path) -> io::Result<()> {
    let mut bytes = SecretBox::new(Box::new([0_u8; 36]));
    let random = secrecy::ExposeSecretMut::expose_secret_mut(&mut bytes);
    OsRng.try_fill_bytes(random).map_err(io::Error::other)?;
    let (id, key) = random.split_at(4);
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = SecretBox::new(Box::new(format!("{HEADER}k{id} {}\n", BASE64_STANDARD.encode(key))));

    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    let written = file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all());
    // A link, unlike a renaming, fails where a file is already.
    let linked = written.and_then(|()| std::fs::hard_link(&fresh, path));
    std::fs::remove_file(&fresh)?;
    linked?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
