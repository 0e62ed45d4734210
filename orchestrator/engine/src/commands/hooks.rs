//! The keys of a flow's webhooks: showing, rotating and revoking them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sluice_domain::{Flow, StepId};
use sluice_ports::PortError;
use sluice_ports::store::Subscription;

use crate::{CommandError, Engine, FlowRef, hooks};

/// Longest time that an old key may go on working.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A webhook of a flow.
#[derive(Debug)]
pub struct HookView {
    /// The step.
    pub step: StepId,
    /// The keys that work, newest first; none when they were revoked.
    pub keys: Vec<HookKeyView>,
    /// Whether the sender knows the URL; absent where nobody tells it.
    pub subscribed: Option<bool>,
    /// Why it does not.
    pub trouble: Option<String>,
}

/// A key of a webhook.
#[derive(Debug)]
pub struct HookKeyView {
    /// The key, which stands in the URL. Whoever has it may send.
    pub key: SecretString,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working; never when absent.
    pub retires_at: Option<DateTime<Utc>>,
}

impl Engine {
    /// The webhooks of a flow, by step, with the keys that work.
    ///
    /// # Errors
    /// When there is no such flow, or the store or a key cannot be read.
    pub async fn hooks(&self, flow: &FlowRef) -> Result<Vec<HookView>, CommandError> {
        let flow = self.resolve(flow)?;
        self.views(&flow).await
    }

    /// Gives a webhook a new key. The ones before go on working for `grace`, at most 30 days.
    ///
    /// # Errors
    /// When there is no such flow or webhook, or the store cannot be written.
    pub async fn rotate_hook(
        &self,
        flow: &FlowRef,
        step: &StepId,
        grace: Duration,
    ) -> Result<HookView, CommandError> {
        let flow = self.webhook(flow, step)?;
        if grace > LONGEST_GRACE {
            return Err(CommandError::bad(
                "grace_too_long",
                "an old key may go on working for at most 30 days",
            ));
        }
        let (key, _) = hooks::make(&self.core, flow.id, step)?;
        let retire = self.core.ports.clock.now() + chrono::Duration::from_std(grace).unwrap_or_default();
        self.core.ports.store.rotate_hook_key(&key, retire).await?;
        self.core.hooks.changed.notify_one();
        let views = self.views(&flow).await?;
        let view = views.into_iter().find(|view| view.step == *step);
        view.ok_or_else(|| CommandError::not_found("webhook", step))
    }

    /// Ends all keys of a webhook at once. It has none until it is rotated.
    ///
    /// # Errors
    /// When there is no such flow or webhook, or the store cannot be written.
    pub async fn revoke_hook(&self, flow: &FlowRef, step: &StepId) -> Result<(), CommandError> {
        let flow = self.webhook(flow, step)?;
        // One that never had a key would get its first one otherwise.
        hooks::ensure(&self.core, flow.id).await?;
        let now = self.core.ports.clock.now();
        self.core.ports.store.revoke_hook_keys(flow.id, step, now).await?;
        self.core.hooks.changed.notify_one();
        Ok(())
    }

    /// The flow, if this is a webhook of it.
    fn webhook(&self, flow: &FlowRef, step: &StepId) -> Result<Flow, CommandError> {
        let flow = self.resolve(flow)?;
        let snapshot = self.core.snapshot();
        let live = snapshot.current(flow.id);
        if live.is_some_and(|live| hooks::steps(live).any(|known| known == step)) {
            return Ok(flow);
        }
        Err(CommandError::not_found("webhook", step))
    }

    async fn views(&self, flow: &Flow) -> Result<Vec<HookView>, CommandError> {
        let now = self.core.ports.clock.now();
        let stored = self.core.ports.store.hook_keys(flow.id).await?;
        let snapshot = self.core.snapshot();
        let Some(live) = snapshot.current(flow.id) else { return Ok(Vec::new()) };
        let subscriptions = self.core.ports.store.subscriptions_of(flow.id).await?;
        let mut views = Vec::new();
        for step in hooks::steps(live) {
            let told = self.core.hooks.hook(live, step).is_some_and(|hook| hook.subscribes);
            let confirmed = |one: &Subscription| one.step == *step && one.confirmed;
            let subscribed = told.then(|| subscriptions.iter().any(confirmed));
            let trouble = self.core.hooks.troubles().of(flow.id, step).map(str::to_owned);
            let keys = stored.iter().filter(|key| key.step == *step && key.works(now));
            let keys = keys.map(|key| {
                let (created_at, retires_at) = (key.created_at, key.retires_at);
                hooks::open(&self.core, key).map(|key| HookKeyView { key, created_at, retires_at })
            });
            let keys = keys.collect::<Result<_, PortError>>()?;
            views.push(HookView { step: step.clone(), keys, subscribed, trouble });
        }
        Ok(views)
    }
}
