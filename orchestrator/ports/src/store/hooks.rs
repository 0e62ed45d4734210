//! The keys of webhooks, and the deliveries that were taken.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{FlowId, InstanceName, StepId};
use sluice_protocol::MessageId;

use crate::{PortError, SealedSecret};

/// A key in the URL of a webhook. The key itself is only there sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct HookKey {
    /// The flow.
    pub flow: FlowId,
    /// The webhook step.
    pub step: StepId,
    /// The SHA-256 of the key, to find it by.
    pub hash: [u8; 32],
    /// The key.
    pub sealed: SealedSecret,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working; never when absent.
    pub retires_at: Option<DateTime<Utc>>,
}

impl HookKey {
    /// Whether it works.
    #[must_use]
    pub fn works(&self, now: DateTime<Utc>) -> bool {
        self.retires_at.is_none_or(|at| at > now)
    }
}

/// That the sender of a webhook's requests knows its URL, or may know it.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The flow.
    pub flow: FlowId,
    /// The webhook step.
    pub step: StepId,
    /// What tells it from others of the step: a hash of everything that it depends on.
    pub fingerprint: String,
    /// The instance that was called.
    pub instance: InstanceName,
    /// What to call when it is to end; nothing when that needs no call. JSON.
    pub unsubscribe: Option<String>,
    /// Whether the sender has confirmed it. Otherwise it may know or not.
    pub confirmed: bool,
    /// What was said and answered, JSON.
    pub sealed: SealedSecret,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
}

/// Webhooks. Everything of a flow goes with the flow, but subscriptions: those have to be ended first.
#[async_trait]
pub trait HookStore: Send + Sync {
    /// Keeps the first key of a step. `Ok(false)`, and nothing is kept, when the step has or had one. Not found when there is
    /// no such flow.
    async fn put_first_hook_key(&self, key: &HookKey) -> Result<bool, PortError>;
    /// Keeps another key of a step; those before stop working at `retire`, or earlier where they did already. Conflict when
    /// the hash is known, not found when there is no such flow.
    async fn rotate_hook_key(&self, key: &HookKey, retire: DateTime<Utc>) -> Result<(), PortError>;
    /// The key with this hash, whether it works or not.
    async fn hook_key(&self, hash: &[u8; 32]) -> Result<Option<HookKey>, PortError>;
    /// The keys of a flow, by step, newest first, retired ones included as long as they are kept.
    async fn hook_keys(&self, flow: FlowId) -> Result<Vec<HookKey>, PortError>;
    /// Ends all keys of a step. They are still found, so that no first key is made again. Idempotent; not found when the step
    /// never had one.
    async fn revoke_hook_keys(
        &self,
        flow: FlowId,
        step: &StepId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError>;

    /// Keeps a subscription, or another state of it.
    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), PortError>;
    /// All subscriptions, by flow, step and fingerprint.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, PortError>;
    /// The subscriptions of a flow, by step and fingerprint.
    async fn subscriptions_of(&self, flow: FlowId) -> Result<Vec<Subscription>, PortError>;
    /// Forgets a subscription. Idempotent.
    async fn remove_subscription(
        &self,
        flow: FlowId,
        step: &StepId,
        fingerprint: &str,
    ) -> Result<(), PortError>;

    /// Whether a delivery was noted.
    async fn has_delivery(&self, flow: FlowId, step: &StepId, id: MessageId) -> Result<bool, PortError>;
    /// Notes a delivery, unless it was noted before: then `Ok(false)`, and its time stays. Of two calls at the same time one
    /// gets `true`.
    async fn note_delivery(
        &self,
        flow: FlowId,
        step: &StepId,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<bool, PortError>;
    /// Forgets deliveries that were noted before `oldest`, and keys that stopped working before it; the newest key of each
    /// step stays. Says how many deliveries went.
    async fn prune_hooks(&self, oldest: DateTime<Utc>) -> Result<u64, PortError>;
}
