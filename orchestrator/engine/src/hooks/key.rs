//! The key in a webhook's URL: 256 random bits. The store has its hash, and the key itself sealed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sluice_domain::{FlowId, StepId, TenantName};
use sluice_ports::store::HookKey;
use sluice_ports::{Fault, PortError, SealedSecret};

use crate::core::Core;
use crate::gateway::hex;
use crate::secrets;

/// What a key is found by.
pub(crate) fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A new key of a step, sealed to its place.
pub(crate) fn make(core: &Core, flow: FlowId, step: &StepId) -> Result<(HookKey, SecretString), PortError> {
    let key = SecretString::from(URL_SAFE_NO_PAD.encode(core.ports.entropy.secret()));
    let hash = hash(key.expose_secret());
    let (owner, place) = (flow.to_string(), hex(&hash));
    let sealed =
        core.ports.vault.seal(&tenant_of(core, flow), &["hook", &owner, step.as_str(), &place], &key);
    let sealed =
        sealed.map_err(|error| PortError::new(Fault::Permanent, "seal the key of a webhook", error))?;
    let created_at = core.ports.clock.now();
    Ok((HookKey { flow, step: step.clone(), hash, sealed, created_at, retires_at: None }, key))
}

/// The key with this hash, sealed with another key of the vault.
pub(crate) fn seal_anew(
    core: &Core,
    (flow, step, hash): (FlowId, &StepId, &[u8; 32]),
    old: &SealedSecret,
) -> Result<SealedSecret, PortError> {
    let (owner, place) = (flow.to_string(), hex(hash));
    let place = ["hook", &owner, step.as_str(), &place];
    let key = core.ports.vault.open(&place, old);
    let sealed = key.and_then(|key| core.ports.vault.seal(&tenant_of(core, flow), &place, &key));
    sealed.map_err(|error| PortError::new(Fault::Permanent, "seal the key of a webhook anew", error))
}

/// A key as it stands in the URL.
pub(crate) fn open(core: &Core, key: &HookKey) -> Result<SecretString, PortError> {
    let (owner, place) = (key.flow.to_string(), hex(&key.hash));
    let opened = core.ports.vault.open(&["hook", &owner, key.step.as_str(), &place], &key.sealed);
    opened.map_err(|error| PortError::new(Fault::Permanent, "open the key of a webhook", error))
}

/// Whose data key seals what belongs to a flow.
pub(super) fn tenant_of(core: &Core, flow: FlowId) -> String {
    let snapshot = core.snapshot();
    let name = snapshot.flows.get(&flow).map(|flow| &flow.name);
    name.map_or_else(|| TenantName::or_default(None), secrets::tenant_of).to_owned()
}
