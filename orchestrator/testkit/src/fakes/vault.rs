//! A vault without cryptography. It keeps the contract, and no secret.

use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{SealedSecret, Vault, VaultError};

/// The only key that there is.
const KEY: &str = "memory";

/// A vault that writes the place and a checksum before the secret, in plain text.
#[derive(Debug, Default)]
pub struct MemoryVault;

impl Vault for MemoryVault {
    fn seal(&self, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError> {
        let secret = secret.expose_secret().as_bytes();
        let mut sealed = sum(place, secret).to_be_bytes().to_vec();
        sealed.extend_from_slice(secret);
        Ok(SealedSecret { key_id: KEY.to_owned(), sealed })
    }

    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError> {
        if sealed.key_id != KEY {
            return Err(VaultError::UnknownKey(sealed.key_id.clone()));
        }
        let (before, secret) = sealed.sealed.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
        if u64::from_be_bytes(*before) != sum(place, secret) {
            return Err(VaultError::Damaged);
        }
        let text = String::from_utf8(secret.to_vec()).map_err(|_| VaultError::Damaged)?;
        Ok(SecretString::from(text))
    }
}

/// FNV-1a over the parts, each with its length before it.
fn sum(place: &[&str], secret: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for part in place.iter().map(|part| part.as_bytes()).chain([secret]) {
        for byte in (part.len() as u64).to_be_bytes().iter().chain(part) {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    sum
}
