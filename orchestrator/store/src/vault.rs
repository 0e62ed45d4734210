//! The vault with its master keys in a file: XChaCha20-Poly1305, in an envelope of two keys.
//!
//! What is sealed is bound to its place and its key by the additional data: the number of parts, each part with its
//! length before it, and the key's id. A nonce is 24 random bytes, so that one key lasts for any number of secrets.
//! A data key is sealed as any secret, at the place `data-key`, its tenant, its id.

mod key_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretSlice, SecretString};
use sluice_ports::{DataKey, SealedSecret, Vault, VaultError};

pub use key_file::KeyFileError;
use key_file::MasterKey;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// The bytes of a key.
type Bytes = SecretBox<[u8; 32]>;

/// Seals secrets with data keys, and those with the keys of a file.
pub struct FileVault {
    path: PathBuf,
    keys: RwLock<Keys>,
}

struct Keys {
    /// As they are in the file: the last one seals.
    master: Vec<MasterKey>,
    data: BTreeMap<String, Bytes>,
    /// The data key that seals for each tenant; empty before one was learned.
    current: BTreeMap<String, String>,
}

impl Keys {
    fn newest_master(&self) -> Result<&MasterKey, VaultError> {
        // A file without keys is not read.
        self.master.last().ok_or_else(|| VaultError::Keys("there is no key".to_owned()))
    }

    fn find(&self, id: &str) -> Result<&Bytes, VaultError> {
        let master = || self.master.iter().find(|key| key.id == id).map(|key| &key.bytes);
        self.data.get(id).or_else(master).ok_or_else(|| VaultError::UnknownKey(id.to_owned()))
    }

    fn unwrap(&self, key: &DataKey) -> Result<Bytes, VaultError> {
        let master = self.master.iter().find(|master| master.id == key.sealed.key_id);
        let master = master.ok_or_else(|| VaultError::UnknownKey(key.sealed.key_id.clone()))?;
        let opened = decrypt(&master.bytes, &wrapping(&key.tenant, &key.id), &key.sealed)?;
        let exact: &[u8; 32] = opened.expose_secret().try_into().map_err(|_| VaultError::Damaged)?;
        let mut bytes = Bytes::new(Box::new([0; 32]));
        bytes.expose_secret_mut().copy_from_slice(exact);
        Ok(bytes)
    }

    fn wrap(&self, (tenant, id): (&str, &str), bytes: &Bytes) -> Result<DataKey, VaultError> {
        let master = self.newest_master()?;
        let sealed = encrypt((&master.id, &master.bytes), &wrapping(tenant, id), bytes.expose_secret())?;
        Ok(DataKey { id: id.to_owned(), tenant: tenant.to_owned(), sealed })
    }
}

impl FileVault {
    /// Reads the key file, and makes it with a new key when it is not there. Secrets that were sealed with keys of a lost
    /// file stay sealed: opening them says which key is missing.
    ///
    /// # Errors
    /// See [`KeyFileError`]. No error changes the file.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let keys =
            Keys { master: key_file::read_or_make(path)?, data: BTreeMap::new(), current: BTreeMap::new() };
        Ok(Self { path: path.to_owned(), keys: RwLock::new(keys) })
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for FileVault {
    fn seal(&self, tenant: &str, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError> {
        let keys = self.keys();
        let id = match keys.current.get(tenant) {
            Some(id) => id,
            None if keys.current.is_empty() => &keys.newest_master()?.id,
            None => return Err(VaultError::NoKey(tenant.to_owned())),
        };
        encrypt((id, keys.find(id)?), place, secret.expose_secret().as_bytes())
    }

    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError> {
        let opened = decrypt(self.keys().find(&sealed.key_id)?, place, sealed)?;
        let text = std::str::from_utf8(opened.expose_secret()).map_err(|_| VaultError::Damaged)?;
        Ok(SecretString::from(text))
    }

    fn make_data_key(&self, tenant: &str) -> Result<DataKey, VaultError> {
        let mut bytes = Bytes::new(Box::new([0; 32]));
        fill(bytes.expose_secret_mut());
        let id = key_file::new_id('d');
        self.keys().wrap((tenant, &id), &bytes)
    }

    fn learn(&self, key: &DataKey) -> Result<(), VaultError> {
        let mut keys = self.keys_mut();
        let bytes = keys.unwrap(key)?;
        keys.data.insert(key.id.clone(), bytes);
        keys.current.insert(key.tenant.clone(), key.id.clone());
        Ok(())
    }

    fn forget(&self, id: &str) {
        let mut keys = self.keys_mut();
        if !keys.current.values().any(|current| current == id) {
            keys.data.remove(id);
        }
    }

    fn rewrap(&self, key: &DataKey) -> Result<DataKey, VaultError> {
        let keys = self.keys();
        let bytes = keys.unwrap(key)?;
        keys.wrap((&key.tenant, &key.id), &bytes)
    }

    fn master_keys(&self) -> Vec<String> {
        self.keys().master.iter().map(|key| key.id.clone()).collect()
    }

    fn add_master_key(&self) -> Result<String, VaultError> {
        let mut keys = self.keys_mut();
        let fresh = MasterKey::random();
        let id = fresh.id.clone();
        keys.master.push(fresh);
        if let Err(error) = key_file::replace(&self.path, &keys.master) {
            keys.master.pop();
            return Err(VaultError::Keys(error.to_string()));
        }
        Ok(id)
    }

    fn remove_master_key(&self, id: &str) -> Result<(), VaultError> {
        let mut keys = self.keys_mut();
        let position = keys.master.iter().position(|key| key.id == id);
        let last = keys.master.len() - 1;
        let position =
            position.filter(|at| *at != last).ok_or_else(|| VaultError::UnknownKey(id.to_owned()))?;
        let gone = keys.master.remove(position);
        if let Err(error) = key_file::replace(&self.path, &keys.master) {
            keys.master.insert(position, gone);
            return Err(VaultError::Keys(error.to_string()));
        }
        Ok(())
    }
}

/// Where a data key is sealed.
fn wrapping<'a>(tenant: &'a str, id: &'a str) -> [&'a str; 3] {
    ["data-key", tenant, id]
}

fn fill(bytes: &mut [u8]) {
    OsRng.try_fill_bytes(bytes).expect("the operating system has randomness");
}

fn encrypt((id, key): (&str, &Bytes), place: &[&str], secret: &[u8]) -> Result<SealedSecret, VaultError> {
    let mut nonce = [0; NONCE];
    fill(&mut nonce);
    let bound = additional_data(place, id);
    let cipher = XChaCha20Poly1305::new(&Key::from(*key.expose_secret()));
    let text = cipher.encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &bound });
    // Encryption fails for texts of hundreds of gigabytes only.
    let text = text.map_err(|_| VaultError::Damaged)?;
    Ok(SealedSecret { key_id: id.to_owned(), sealed: [nonce.as_slice(), &text].concat() })
}

fn decrypt(key: &Bytes, place: &[&str], sealed: &SealedSecret) -> Result<SecretSlice<u8>, VaultError> {
    let (nonce, text) = sealed.sealed.split_first_chunk::<NONCE>().ok_or(VaultError::Damaged)?;
    let bound = additional_data(place, &sealed.key_id);
    let cipher = XChaCha20Poly1305::new(&Key::from(*key.expose_secret()));
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: &bound });
    opened.map(SecretSlice::from).map_err(|_| VaultError::Damaged)
}

fn additional_data(place: &[&str], key_id: &str) -> Vec<u8> {
    let mut data = (place.len() as u64).to_be_bytes().to_vec();
    for part in place.iter().chain([&key_id]) {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}
