//! Data keys, and which keys seal what.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sluice_domain::{FlowId, InstanceName, StepId};

use crate::{DataKey, PortError, SealedSecret};

/// Where a sealed secret is stored that lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// A secret of an instance.
    Instance {
        /// The instance.
        instance: InstanceName,
        /// The field.
        field: String,
    },
    /// The access token of an instance.
    Access(InstanceName),
    /// The refresh token of an instance.
    Refresh(InstanceName),
    /// The key in the URL of a webhook.
    Hook {
        /// The flow.
        flow: FlowId,
        /// The webhook step.
        step: StepId,
        /// What the key is found by.
        hash: [u8; 32],
    },
    /// What was said and answered about a webhook.
    Subscription {
        /// The flow.
        flow: FlowId,
        /// The webhook step.
        step: StepId,
        /// What tells it from others of the step.
        fingerprint: String,
    },
}

/// Keys, and moving secrets from one to another.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The data keys in the order in which they were first kept.
    async fn data_keys(&self) -> Result<Vec<DataKey>, PortError>;
    /// Keeps a data key, or keeps it sealed in another way.
    async fn put_data_key(&self, key: &DataKey) -> Result<(), PortError>;
    /// Removes a data key. A conflict while anything is sealed with it, not found when there is none.
    async fn remove_data_key(&self, id: &str) -> Result<(), PortError>;
    /// How many secrets each key seals; keys that seal none are left out. Data keys do not count as secrets.
    async fn sealing_keys(&self) -> Result<BTreeMap<String, u64>, PortError>;
    /// Lasting secrets that are sealed with none of these keys, at most `limit`, each once.
    async fn sealed_otherwise(
        &self,
        keys: &[String],
        limit: u32,
    ) -> Result<Vec<(Slot, SealedSecret)>, PortError>;
    /// Replaces a sealed secret with the same one sealed anew. `Ok(false)`, and nothing happens, when it is no longer
    /// what it was.
    async fn reseal(&self, slot: &Slot, old: &SealedSecret, new: &SealedSecret) -> Result<bool, PortError>;
}
