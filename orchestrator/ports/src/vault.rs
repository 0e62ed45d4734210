//! Sealing of secrets at rest.

use secrecy::SecretString;

/// A secret as it may be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// Seals and opens secrets. `place` binds a sealed secret to where it is stored: opened at another place it fails, so
/// that nobody can move one from row to row.
pub trait Vault: Send + Sync {
    /// Seals a secret.
    ///
    /// # Errors
    /// [`VaultError`] when the secret cannot be sealed.
    fn seal(&self, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError>;

    /// Opens a secret that was sealed at the same place.
    ///
    /// # Errors
    /// [`VaultError`] when the key is unknown, or the secret was changed or moved.
    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError>;
}

/// A secret that cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key that sealed it is not there.
    #[error("the key `{0}` that sealed this secret is not in the key file")]
    UnknownKey(String),
    /// It was changed, or moved from another place.
    #[error("the sealed secret was damaged or moved")]
    Damaged,
}
