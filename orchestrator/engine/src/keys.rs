//! The keys of secrets: which data key seals, and that every secret can be opened.

use std::collections::BTreeSet;

use sluice_domain::TenantName;
use sluice_ports::{DataKey, Fault, PortError, Ports};
use tracing::info;

/// Learns the stored data keys, and makes the first one where there is none. Nothing is changed when a key is missing.
///
/// # Errors
/// When the store cannot be read, or a key that sealed something is not there: then the key file is a wrong one.
pub(crate) async fn prepare(ports: &Ports) -> Result<(), PortError> {
    let keys = ports.store.data_keys().await?;
    for key in &keys {
        let learned = ports.vault.learn(key);
        learned.map_err(|error| refused(&key.id, &error.to_string()))?;
    }
    let known: BTreeSet<String> =
        keys.iter().map(|key| key.id.clone()).chain(ports.vault.master_keys()).collect();
    for id in ports.store.sealing_keys().await?.into_keys() {
        if !known.contains(&id) {
            return Err(refused(&id, "it is neither in the key file nor in the store"));
        }
    }
    ensure(ports, None).await
}

/// Makes the first data key of a tenant, or of what belongs to none.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn ensure(ports: &Ports, tenant: Option<&TenantName>) -> Result<(), PortError> {
    let tenant = TenantName::or_default(tenant);
    if !ports.store.data_keys().await?.iter().any(|key| key.tenant == tenant) {
        let key = make_data_key(ports, tenant).await?;
        info!(key = key.id, tenant, "made a data key");
    }
    Ok(())
}

/// Makes a data key, stores and learns it.
pub(crate) async fn make_data_key(ports: &Ports, tenant: &str) -> Result<DataKey, PortError> {
    let failed = |error| PortError::new(Fault::Permanent, "make a data key", error);
    let key = ports.vault.make_data_key(tenant).map_err(failed)?;
    ports.store.put_data_key(&key).await?;
    ports.vault.learn(&key).map_err(failed)?;
    Ok(key)
}

fn refused(key: &str, why: &str) -> PortError {
    let text = format!(
        "the key `{key}` that sealed secrets cannot be used: {why}; put the key file back that belongs to this store"
    );
    PortError::new(Fault::Permanent, "unlock the secrets", text)
}
