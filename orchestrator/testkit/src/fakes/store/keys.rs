//! Data keys, and which keys seal what.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sluice_ports::store::{KeyStore, Slot};
use sluice_ports::{DataKey, PortError, SealedSecret};

use super::{MemoryStore, State};

#[async_trait]
impl KeyStore for MemoryStore {
    async fn data_keys(&self) -> Result<Vec<DataKey>, PortError> {
        Ok(self.read("list data keys")?.data_keys.clone())
    }

    async fn put_data_key(&self, key: &DataKey) -> Result<(), PortError> {
        let mut state = self.write(format!("keep data key {}", key.id))?;
        match state.data_keys.iter_mut().find(|known| known.id == key.id) {
            Some(known) => *known = key.clone(),
            None => state.data_keys.push(key.clone()),
        }
        Ok(())
    }

    async fn remove_data_key(&self, id: &str) -> Result<(), PortError> {
        let operation = format!("remove data key {id}");
        let mut state = self.write(&operation)?;
        if sealing(&mut state).contains_key(id) {
            return Err(PortError::conflict(operation));
        }
        let before = state.data_keys.len();
        state.data_keys.retain(|key| key.id != id);
        if state.data_keys.len() == before { Err(PortError::not_found(operation)) } else { Ok(()) }
    }

    async fn sealing_keys(&self) -> Result<BTreeMap<String, u64>, PortError> {
        Ok(sealing(&mut *self.read("count what keys seal")?))
    }

    async fn sealed_otherwise(
        &self,
        keys: &[String],
        limit: u32,
    ) -> Result<Vec<(Slot, SealedSecret)>, PortError> {
        let mut state = self.read("list what is sealed otherwise")?;
        let all = slots(&mut state).into_iter().filter(|(_, sealed)| !keys.contains(&sealed.key_id));
        Ok(all.map(|(slot, sealed)| (slot, sealed.clone())).take(limit as usize).collect())
    }

    async fn reseal(&self, slot: &Slot, old: &SealedSecret, new: &SealedSecret) -> Result<bool, PortError> {
        let mut state = self.write("seal a secret anew")?;
        for (found, sealed) in slots(&mut state) {
            if found == *slot && *sealed == *old {
                *sealed = new.clone();
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn sealing(state: &mut State) -> BTreeMap<String, u64> {
    let attempts: Vec<String> = state
        .attempts
        .values()
        .filter_map(|attempt| attempt.verifier.as_ref().map(|sealed| sealed.key_id.clone()))
        .collect();
    let lasting: Vec<String> = slots(state).into_iter().map(|(_, sealed)| sealed.key_id.clone()).collect();
    let mut uses = BTreeMap::new();
    for id in attempts.into_iter().chain(lasting) {
        *uses.entry(id).or_default() += 1;
    }
    uses
}

/// All that is sealed and lasts.
fn slots(state: &mut State) -> Vec<(Slot, &mut SealedSecret)> {
    let mut all = Vec::new();
    for (name, stored) in &mut state.instances {
        for (field, sealed) in &mut stored.secrets {
            all.push((Slot::Instance { instance: name.clone(), field: field.clone() }, sealed));
        }
    }
    for (name, stored) in &mut state.authorizations {
        all.extend(stored.access.as_mut().map(|sealed| (Slot::Access(name.clone()), sealed)));
        all.extend(stored.refresh.as_mut().map(|sealed| (Slot::Refresh(name.clone()), sealed)));
    }
    for ((flow, step, fingerprint), kept) in &mut state.subscriptions {
        let (flow, step, fingerprint) = (*flow, step.clone(), fingerprint.clone());
        all.push((Slot::Subscription { flow, step, fingerprint }, &mut kept.sealed));
    }
    for key in &mut state.hook_keys {
        all.push((Slot::Hook { flow: key.flow, step: key.step.clone(), hash: key.hash }, &mut key.sealed));
    }
    all
}
