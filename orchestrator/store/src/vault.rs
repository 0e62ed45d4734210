//! The vault with its keys in a file: XChaCha20-Poly1305.
//!
//! What is sealed is bound to its place and its key by the additional data: the number of parts, each part with its
//! length before it, and the key's id. A nonce is 24 random bytes, so that one key lasts for any number of secrets.

mod key_file;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{SealedSecret, Vault, VaultError};

pub use key_file::KeyFileError;
use key_file::{Keys, read_or_make};

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Seals secrets with the keys of a file.
pub struct FileVault {
    keys: Keys,
}

impl FileVault {
    /// Reads the key file, and makes it with a new key when it is not there. Secrets that were sealed with keys of a lost
    /// file stay sealed: opening them says which key is missing.
    ///
    /// # Errors
    /// See [`KeyFileError`]. No error changes the file.
    pub fn open(path: &std::path::Path) -> Result<Self, KeyFileError> {
        Ok(Self { keys: read_or_make(path)? })
    }

    fn cipher(&self, key_id: &str) -> Result<XChaCha20Poly1305, VaultError> {
        let key = self.keys.by_id.get(key_id).ok_or_else(|| VaultError::UnknownKey(key_id.to_owned()))?;
        Ok(XChaCha20Poly1305::new(&Key::from(*key.expose_secret())))
    }
}

impl Vault for FileVault {
    fn seal(&self, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError> {
        let key_id = self.keys.current.clone();
        let mut nonce = [0; NONCE];
        OsRng.try_fill_bytes(&mut nonce).expect("the operating system has randomness");
        let bound = additional_data(place, &key_id);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &bound };
        let text = self.cipher(&key_id)?.encrypt(&XNonce::from(nonce), payload);
        // Encryption fails for texts of hundreds of gigabytes only.
        let text = text.map_err(|_| VaultError::Damaged)?;
        Ok(SealedSecret { key_id, sealed: [nonce.as_slice(), &text].concat() })
    }

    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError> {
        let cipher = self.cipher(&sealed.key_id)?;
        let (nonce, text) = sealed.sealed.split_first_chunk::<NONCE>().ok_or(VaultError::Damaged)?;
        let bound = additional_data(place, &sealed.key_id);
        let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: &bound });
        let opened = opened.map_err(|_| VaultError::Damaged)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| VaultError::Damaged)
    }
}

fn additional_data(place: &[&str], key_id: &str) -> Vec<u8> {
    let mut data = (place.len() as u64).to_be_bytes().to_vec();
    for part in place.iter().chain([&key_id]) {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}
