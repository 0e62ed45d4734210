//! The cipher of message bodies: AES-256-CBC with PKCS#7 padding, as both families have it.
//!
//! The key is the SHA-256 of a password, and the initialisation vector is one for all messages: equal texts give equal
//! ciphers. It hides bodies from whoever sees a queue; here they do not leave the container.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::Place;

/// Bytes of an initialisation vector.
pub(crate) const IV_BYTES: usize = 16;

/// A cipher.
#[derive(Clone)]
pub struct Cipher {
    key: [u8; 32],
    iv: [u8; IV_BYTES],
}

/// A text that was not made by this cipher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text was not encrypted with this key, or is damaged")]
pub struct CipherError;

impl Cipher {
    /// The cipher of a password and an initialisation vector, whose bytes are the characters of a text.
    #[must_use]
    pub fn new(password: &str, iv: [u8; IV_BYTES]) -> Self {
        Self { key: Sha256::digest(password.as_bytes()).into(), iv }
    }

    /// The cipher of a place.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        let mut iv = [0; IV_BYTES];
        for (into, from) in iv.iter_mut().zip(place.cipher.1.bytes()) {
            *into = from;
        }
        Self::new(&place.cipher.0, iv)
    }

    /// Encrypts to bytes (version 2 of the wire format).
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        cbc::Encryptor::<Aes256>::new(&self.key.into(), &self.iv.into())
            .encrypt_padded_vec_mut::<Pkcs7>(plain)
    }

    /// Encrypts to base64 (version 1 of the wire format).
    #[must_use]
    pub fn seal_text(&self, plain: &[u8]) -> String {
        STANDARD.encode(self.seal(plain))
    }

    /// Decrypts what [`seal`](Self::seal) gives.
    ///
    /// # Errors
    /// [`CipherError`].
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
        cbc::Decryptor::<Aes256>::new(&self.key.into(), &self.iv.into())
            .decrypt_padded_vec_mut::<Pkcs7>(sealed)
            .map_err(|_| CipherError)
    }

    /// Decrypts what [`seal_text`](Self::seal_text) gives.
    ///
    /// # Errors
    /// [`CipherError`].
    pub fn open_text(&self, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
        let bytes = STANDARD.decode(sealed.trim_ascii()).map_err(|_| CipherError)?;
        self.open(&bytes)
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl enc -aes-256-cbc -K $(printf testCryptoPassword | sha256sum) -iv $(printf iv=any16_symbols | xxd -p)`.
    #[test]
    fn a_known_text_has_its_known_cipher() {
        let cipher = Cipher::new("testCryptoPassword", *b"iv=any16_symbols");
        let sealed = cipher.seal_text(br#"{"body":{"a":1}}"#);
        assert_eq!(cipher.open_text(sealed.as_bytes()).unwrap(), br#"{"body":{"a":1}}"#);
        assert_eq!(sealed, "C/TTUWgSF6MegVPoDGffcACuGr+KHhknWJ1Rex/yWSE=");
    }

    #[test]
    fn what_another_key_made_is_refused() {
        let (ours, other) = (Cipher::new("a", [1; 16]), Cipher::new("b", [1; 16]));
        assert_ne!(
            other.open(&ours.seal(b"text that is longer than a block")).ok(),
            Some(b"text that is longer than a block".to_vec())
        );
        assert_eq!(ours.open(b"short"), Err(CipherError));
        assert_eq!(ours.open_text(b"no base64 !"), Err(CipherError));
    }
}
