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

/// A key that seals secrets, itself sealed by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Its id: the `key_id` of what it sealed.
    pub id: String,
    /// Whose secrets it seals: a tenant. It is bound to it.
    pub tenant: String,
    /// The key, sealed by a master key.
    pub sealed: SealedSecret,
}

/// Seals and opens secrets. `place` binds a sealed secret to where it is stored: opened at another place it fails, so
/// that nobody can move one from row to row.
///
/// There are two kinds of keys. Master keys are outside the store and seal nothing but data keys. Data keys are stored,
/// sealed; the vault has to learn them before it can use them. Before it learned one it seals with a master key.
pub trait Vault: Send + Sync {
    /// Seals a secret of a tenant with its data key that was learned last.
    ///
    /// # Errors
    /// [`VaultError`] when the secret cannot be sealed, or only other tenants have data keys.
    fn seal(&self, tenant: &str, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError>;

    /// Opens a secret that was sealed at the same place.
    ///
    /// # Errors
    /// [`VaultError`] when the key is unknown, or the secret was changed or moved.
    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError>;

    /// Makes a data key, sealed by the newest master key. It has to be stored before it is learned.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be sealed.
    fn make_data_key(&self, tenant: &str) -> Result<DataKey, VaultError>;

    /// Learns a data key: it opens what it sealed, and seals for its tenant from now on.
    ///
    /// # Errors
    /// [`VaultError`] when its master key is unknown, or it was changed or is another tenant's.
    fn learn(&self, key: &DataKey) -> Result<(), VaultError>;

    /// Forgets a data key that seals nothing any more.
    fn forget(&self, id: &str);

    /// Seals a data key again, with the newest master key.
    ///
    /// # Errors
    /// [`VaultError`] when its master key is unknown, or it was changed.
    fn rewrap(&self, key: &DataKey) -> Result<DataKey, VaultError>;

    /// The ids of the master keys, oldest first. The last one seals.
    fn master_keys(&self) -> Vec<String>;

    /// Makes a master key, which seals from now on. It is on disk when this returns.
    ///
    /// # Errors
    /// [`VaultError::Keys`] when it cannot be kept; then nothing changed.
    fn add_master_key(&self) -> Result<String, VaultError>;

    /// Destroys a master key that seals nothing any more. The last one stays.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] when there is none or it is the last, and [`VaultError::Keys`] when that cannot be kept.
    fn remove_master_key(&self, id: &str) -> Result<(), VaultError>;
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
    /// The tenant has no data key.
    #[error("there is no data key of the tenant `{0}`")]
    NoKey(String),
    /// The master keys cannot be kept.
    #[error("the key file cannot be written: {0}")]
    Keys(String),
}
