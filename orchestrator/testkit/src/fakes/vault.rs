//! A vault without cryptography. It keeps the contract, and no secret.

use std::sync::{Mutex, MutexGuard};

use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{DataKey, SealedSecret, Vault, VaultError};

use super::lock;

/// A vault that writes the place and a checksum before the secret, in plain text.
#[derive(Debug)]
pub struct MemoryVault(Mutex<Keys>);

#[derive(Debug)]
struct Keys {
    master: Vec<String>,
    /// The ids of the data keys and their tenants, as learned.
    data: Vec<(String, String)>,
    made: u32,
}

impl Default for MemoryVault {
    fn default() -> Self {
        Self(Mutex::new(Keys { master: vec!["k0".to_owned()], data: Vec::new(), made: 0 }))
    }
}

impl Keys {
    fn newest_master(&self) -> String {
        self.master.last().cloned().unwrap_or_default()
    }

    fn current(&self, tenant: &str) -> Option<&str> {
        self.data.iter().rev().find(|(_, of)| of == tenant).map(|(id, _)| id.as_str())
    }

    fn next(&mut self, kind: char) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }

    fn wrap(&self, tenant: &str, id: &str) -> DataKey {
        let key_id = self.newest_master();
        let sealed = sum(&["data-key", tenant, id], key_id.as_bytes()).to_be_bytes().to_vec();
        DataKey { id: id.to_owned(), tenant: tenant.to_owned(), sealed: SealedSecret { key_id, sealed } }
    }

    fn check(&self, key: &DataKey) -> Result<(), VaultError> {
        let master = &key.sealed.key_id;
        if !self.master.contains(master) {
            return Err(VaultError::UnknownKey(master.clone()));
        }
        let expect = sum(&["data-key", &key.tenant, &key.id], master.as_bytes()).to_be_bytes();
        if key.sealed.sealed == expect { Ok(()) } else { Err(VaultError::Damaged) }
    }
}

impl MemoryVault {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        lock(&self.0)
    }
}

impl Vault for MemoryVault {
    fn seal(&self, tenant: &str, place: &[&str], secret: &SecretString) -> Result<SealedSecret, VaultError> {
        let keys = self.keys();
        let key_id = match keys.current(tenant) {
            Some(id) => id.to_owned(),
            None if keys.data.is_empty() => keys.newest_master(),
            None => return Err(VaultError::NoKey(tenant.to_owned())),
        };
        let secret = secret.expose_secret().as_bytes();
        let mut sealed = sum(&[place, &[key_id.as_str()]].concat(), secret).to_be_bytes().to_vec();
        sealed.extend_from_slice(secret);
        Ok(SealedSecret { key_id, sealed })
    }

    fn open(&self, place: &[&str], sealed: &SealedSecret) -> Result<SecretString, VaultError> {
        let keys = self.keys();
        if !keys.data.iter().any(|(id, _)| *id == sealed.key_id) && !keys.master.contains(&sealed.key_id) {
            return Err(VaultError::UnknownKey(sealed.key_id.clone()));
        }
        let (before, secret) = sealed.sealed.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
        if u64::from_be_bytes(*before) != sum(&[place, &[sealed.key_id.as_str()]].concat(), secret) {
            return Err(VaultError::Damaged);
        }
        let text = String::from_utf8(secret.to_vec()).map_err(|_| VaultError::Damaged)?;
        Ok(SecretString::from(text))
    }

    fn make_data_key(&self, tenant: &str) -> Result<DataKey, VaultError> {
        let mut keys = self.keys();
        let id = keys.next('d');
        Ok(keys.wrap(tenant, &id))
    }

    fn learn(&self, key: &DataKey) -> Result<(), VaultError> {
        let mut keys = self.keys();
        keys.check(key)?;
        keys.data.retain(|(known, _)| *known != key.id);
        keys.data.push((key.id.clone(), key.tenant.clone()));
        Ok(())
    }

    fn forget(&self, id: &str) {
        let mut keys = self.keys();
        let tenant = keys.data.iter().find(|(known, _)| known == id).map(|(_, tenant)| tenant.clone());
        if tenant.is_some_and(|tenant| keys.current(&tenant) != Some(id)) {
            keys.data.retain(|(known, _)| known != id);
        }
    }

    fn rewrap(&self, key: &DataKey) -> Result<DataKey, VaultError> {
        let keys = self.keys();
        keys.check(key)?;
        Ok(keys.wrap(&key.tenant, &key.id))
    }

    fn master_keys(&self) -> Vec<String> {
        self.keys().master.clone()
    }

    fn add_master_key(&self) -> Result<String, VaultError> {
        let mut keys = self.keys();
        let id = keys.next('k');
        keys.master.push(id.clone());
        Ok(id)
    }

    fn remove_master_key(&self, id: &str) -> Result<(), VaultError> {
        let mut keys = self.keys();
        let known = keys.master.iter().any(|known| known == id);
        if !known || keys.newest_master() == id {
            return Err(VaultError::UnknownKey(id.to_owned()));
        }
        keys.master.retain(|known| known != id);
        Ok(())
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
