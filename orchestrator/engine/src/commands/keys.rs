//! The keys of secrets: which there are, new ones, and an end of old ones.

use std::collections::BTreeMap;

use sluice_domain::{Instance, InstanceName};
use sluice_ports::store::Slot;
use sluice_ports::{DataKey, Fault, PortError, SealedSecret, VaultError, failpoint};

use crate::secrets::Shelf;
use crate::{CommandError, Engine, hooks, keys};

/// Secrets that are sealed anew between two looks at what is left.
const PAGE: u32 = 200;
/// How often it is looked for what others sealed with the old key meanwhile.
const LOOKS: usize = 100_000;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub kind: KeyKind,
    /// Whether it seals what is sealed now.
    pub current: bool,
    /// How many data keys, or secrets, it seals. A master key seals secrets only in a store that is older than data keys.
    pub seals: u64,
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// It is in the key file and seals data keys.
    Master,
    /// It is in the store, sealed by this master key, and seals the secrets of one tenant.
    Data {
        /// The master key.
        by: String,
        /// The tenant; `default` stands for what belongs to none.
        tenant: String,
    },
}

/// What was done to the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The master key that seals now.
    pub master: String,
    /// The data keys that were sealed anew.
    pub rewrapped: u64,
    /// The data keys that seal now, one of each tenant.
    pub data: Vec<String>,
    /// The secrets that were sealed anew.
    pub resealed: u64,
}

impl Engine {
    /// All keys, the master keys first, each kind oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyView>, CommandError> {
        let ports = &self.core.ports;
        let (data, uses) = (ports.store.data_keys().await?, ports.store.sealing_keys().await?);
        let master = ports.vault.master_keys();
        let secrets = |id: &str| uses.get(id).copied().unwrap_or(0);
        let wrapped = |id: &str| data.iter().filter(|key| key.sealed.key_id == id).count() as u64;
        let of_file = master.iter().map(|id| KeyView {
            id: id.clone(),
            kind: KeyKind::Master,
            current: master.last() == Some(id),
            seals: wrapped(id) + secrets(id),
        });
        let newest = newest(&data);
        let of_store = data.iter().map(|key| KeyView {
            id: key.id.clone(),
            kind: KeyKind::Data { by: key.sealed.key_id.clone(), tenant: key.tenant.clone() },
            current: newest.get(key.tenant.as_str()).is_some_and(|current| current.id == key.id),
            seals: secrets(&key.id),
        });
        Ok(of_file.chain(of_store).collect())
    }

    /// Makes a new master key and seals the data keys with it; with `secrets` also a new data key of each tenant, and every
    /// lasting secret is sealed anew. A call after one that was interrupted finishes that one and makes no further keys. Old master keys
    /// stay until they are removed, old data keys go when they seal nothing.
    ///
    /// # Errors
    /// When the store or the key file cannot be written; nothing is lost then.
    pub async fn rotate_keys(&self, secrets: bool) -> Result<Rotated, CommandError> {
        self.to_its_end(move |engine| async move { engine.rotate_now(secrets).await }).await
    }

    async fn rotate_now(&self, secrets: bool) -> Result<Rotated, CommandError> {
        let ports = &self.core.ports;
        let before = ports.store.data_keys().await?;
        let under_way = secrets && self.is_under_way(&before).await?;
        let master = self.newest_master(&before, under_way)?;
        failpoint::reach("rotate_after_master").await?;
        let mut rewrapped = 0;
        for key in before.iter().filter(|key| key.sealed.key_id != master) {
            let key = ports.vault.rewrap(key).map_err(unsealed)?;
            ports.store.put_data_key(&key).await?;
            rewrapped += 1;
        }
        let mut data = Vec::new();
        for (tenant, newest) in newest(&before) {
            let made_before = under_way && before.iter().filter(|key| key.tenant == tenant).count() > 1;
            data.push(match secrets && !made_before {
                true => keys::make_data_key(ports, tenant).await?.id,
                false => newest.id.clone(),
            });
        }
        let resealed = if secrets { self.reseal_all(&data).await? } else { 0 };
        failpoint::reach("rotate_before_forget").await?;
        self.forget_unused(&data).await?;
        Ok(Rotated { master, rewrapped, data, resealed })
    }

    /// Removes a master key from the key file. Backups of the store from before it was replaced cannot be opened any more.
    ///
    /// # Errors
    /// When it seals something or is the newest one.
    pub async fn remove_key(&self, id: &str) -> Result<(), CommandError> {
        let _one_at_a_time = self.core.changing.lock().await;
        let found = self.keys().await?.into_iter().find(|key| key.id == id && key.kind == KeyKind::Master);
        let key = found.ok_or_else(|| CommandError::not_found("master key", id))?;
        if key.current || key.seals > 0 {
            let text = format!("the key {id} is in use; `sluice keys rotate` replaces it");
            return Err(CommandError::conflict("key_in_use", text));
        }
        Ok(self.core.ports.vault.remove_master_key(id).map_err(unsealed)?)
    }

    /// The master key to seal with: a new one, unless an earlier rotation made one and did not get to its end.
    fn newest_master(&self, data: &[DataKey], under_way: bool) -> Result<String, PortError> {
        let vault = &self.core.ports.vault;
        let newest = vault.master_keys().pop().unwrap_or_default();
        if under_way || data.iter().any(|key| key.sealed.key_id != newest) {
            return Ok(newest);
        }
        vault.add_master_key().map_err(unsealed)
    }

    /// Whether an earlier rotation made new data keys and did not get to its end.
    async fn is_under_way(&self, data: &[DataKey]) -> Result<bool, PortError> {
        let newest: Vec<String> = newest(data).values().map(|key| key.id.clone()).collect();
        // Without a second key of some tenant none was made.
        Ok(newest.len() < data.len() && !self.core.ports.store.sealed_otherwise(&newest, 1).await?.is_empty())
    }

    async fn reseal_all(&self, data: &[String]) -> Result<u64, CommandError> {
        let store = &self.core.ports.store;
        // Nobody changes them meanwhile.
        let instances = store.instances().await?;
        let instances: BTreeMap<_, _> = instances.iter().map(|instance| (&instance.name, instance)).collect();
        let mut resealed = 0;
        for _ in 0..LOOKS {
            let page = store.sealed_otherwise(data, PAGE).await?;
            if page.is_empty() {
                return Ok(resealed);
            }
            for (slot, old) in &page {
                failpoint::reach("rotate_between_secrets").await?;
                let new = self.sealed_anew(slot, old, &instances)?;
                // What changed meanwhile was sealed with the new key, or is on the next page.
                resealed += u64::from(store.reseal(slot, old, &new).await?);
            }
        }
        Err(CommandError::TimedOut("secrets change faster than they are sealed anew; repeat it".to_owned()))
    }

    fn sealed_anew(
        &self,
        slot: &Slot,
        old: &SealedSecret,
        instances: &BTreeMap<&InstanceName, &Instance>,
    ) -> Result<SealedSecret, CommandError> {
        let core = &self.core;
        let anew = |shelf: Shelf, instance: &InstanceName, field: &str| {
            let secret = shelf.open(core, (instance, field), old)?;
            shelf.seal(core, (instance, field), &secret)
        };
        let sealed = match slot {
            Slot::Instance { instance, field } => {
                let known = instances.get(instance);
                anew(known.map_or(Shelf::Instance(None), |known| Shelf::of(known, field)), instance, field)
            }
            Slot::Access(instance) => anew(Shelf::Authorization, instance, "access_token"),
            Slot::Refresh(instance) => anew(Shelf::Authorization, instance, "refresh_token"),
            Slot::Hook { flow, step, hash } => hooks::seal_anew(core, (*flow, step, hash), old),
            Slot::Subscription { flow, step, fingerprint } => {
                hooks::subscriptions::seal_anew(core, (*flow, step, fingerprint), old)
            }
        };
        sealed.map_err(|error| {
            let text = format!(
                "{} cannot be opened ({error}), so the rotation stopped before it; replace it and repeat",
                name(slot)
            );
            CommandError::conflict("secret_damaged", text)
        })
    }

    /// Removes the data keys that seal nothing any more. An attempt to authorise keeps one for some minutes; it goes with
    /// the next rotation then.
    async fn forget_unused(&self, current: &[String]) -> Result<(), CommandError> {
        let ports = &self.core.ports;
        for key in ports.store.data_keys().await?.iter().filter(|key| !current.contains(&key.id)) {
            match ports.store.remove_data_key(&key.id).await {
                Ok(()) => ports.vault.forget(&key.id),
                Err(error) if error.fault == Fault::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The data key of each tenant that was made last.
fn newest(data: &[DataKey]) -> BTreeMap<&str, &DataKey> {
    data.iter().map(|key| (key.tenant.as_str(), key)).collect()
}

/// A slot for people.
fn name(slot: &Slot) -> String {
    match slot {
        Slot::Instance { instance, field } => format!("the secret `{field}` of instance {instance}"),
        Slot::Access(instance) | Slot::Refresh(instance) => {
            format!("the authorisation of instance {instance}")
        }
        Slot::Subscription { flow, step, .. } => {
            format!("what the sender to webhook {step} of flow {flow} was told")
        }
        Slot::Hook { flow, step, .. } => format!("the URL of webhook {step} of flow {flow}"),
    }
}

fn unsealed(error: VaultError) -> PortError {
    PortError::new(Fault::Permanent, "change the keys of secrets", error)
}
