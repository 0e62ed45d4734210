//! The keys of webhooks, and deliveries.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{FlowId, StepId};
use sluice_ports::PortError;
use sluice_ports::store::{HookKey, HookStore, Subscription};
use sluice_protocol::MessageId;

use super::{MemoryStore, State};

impl State {
    fn end_keys(&mut self, flow: FlowId, step: &StepId, at: DateTime<Utc>) -> usize {
        let mut count = 0;
        for key in self.hook_keys.iter_mut().filter(|key| key.flow == flow && key.step == *step) {
            key.retires_at = Some(key.retires_at.map_or(at, |before| before.min(at)));
            count += 1;
        }
        count
    }

    fn insert_key(&mut self, operation: String, key: &HookKey) -> Result<(), PortError> {
        if !self.flows.contains_key(&key.flow) {
            return Err(PortError::not_found(operation));
        }
        if self.hook_keys.iter().any(|kept| kept.hash == key.hash) {
            return Err(PortError::conflict(operation));
        }
        self.hook_keys.push(key.clone());
        Ok(())
    }
}

#[async_trait]
impl HookStore for MemoryStore {
    async fn put_first_hook_key(&self, key: &HookKey) -> Result<bool, PortError> {
        let operation = format!("keep the key of {}/{}", key.flow, key.step);
        let mut state = self.write(&operation)?;
        if state.hook_keys.iter().any(|kept| kept.flow == key.flow && kept.step == key.step) {
            return Ok(false);
        }
        state.insert_key(operation, key).map(|()| true)
    }

    async fn rotate_hook_key(&self, key: &HookKey, retire: DateTime<Utc>) -> Result<(), PortError> {
        let operation = format!("rotate the key of {}/{}", key.flow, key.step);
        let mut state = self.write(&operation)?;
        state.insert_key(operation, key)?;
        let new = state.hook_keys.pop();
        state.end_keys(key.flow, &key.step, retire);
        state.hook_keys.extend(new);
        Ok(())
    }

    async fn hook_key(&self, hash: &[u8; 32]) -> Result<Option<HookKey>, PortError> {
        let state = self.read("find the key of a webhook")?;
        Ok(state.hook_keys.iter().find(|key| key.hash == *hash).cloned())
    }

    async fn hook_keys(&self, flow: FlowId) -> Result<Vec<HookKey>, PortError> {
        let state = self.read(format!("list the keys of {flow}"))?;
        let mut keys: Vec<HookKey> = state.hook_keys.iter().filter(|key| key.flow == flow).cloned().collect();
        keys.reverse();
        keys.sort_by(|a, b| a.step.cmp(&b.step));
        Ok(keys)
    }

    async fn revoke_hook_keys(
        &self,
        flow: FlowId,
        step: &StepId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let operation = format!("revoke the keys of {flow}/{step}");
        let mut state = self.write(&operation)?;
        if state.end_keys(flow, step, now) == 0 {
            return Err(PortError::not_found(operation));
        }
        Ok(())
    }

    async fn has_delivery(&self, flow: FlowId, step: &StepId, id: MessageId) -> Result<bool, PortError> {
        let state = self.read(format!("find a delivery of {flow}/{step}"))?;
        Ok(state.hook_deliveries.contains_key(&(flow, step.clone(), id)))
    }

    async fn note_delivery(
        &self,
        flow: FlowId,
        step: &StepId,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        let operation = format!("note a delivery of {flow}/{step}");
        let mut state = self.write(&operation)?;
        if !state.flows.contains_key(&flow) {
            return Err(PortError::not_found(operation));
        }
        let place = (flow, step.clone(), id);
        let new = !state.hook_deliveries.contains_key(&place);
        state.hook_deliveries.entry(place).or_insert(now);
        Ok(new)
    }

    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), PortError> {
        let key = (subscription.flow, subscription.step.clone(), subscription.fingerprint.clone());
        self.write("keep a subscription")?.subscriptions.insert(key, subscription.clone());
        Ok(())
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, PortError> {
        let mut all: Vec<_> = self.read("list subscriptions")?.subscriptions.values().cloned().collect();
        all.sort_by_key(|one| (one.flow.to_string(), one.step.to_string(), one.fingerprint.clone()));
        Ok(all)
    }

    async fn subscriptions_of(&self, flow: FlowId) -> Result<Vec<Subscription>, PortError> {
        let all = self.subscriptions().await?;
        Ok(all.into_iter().filter(|one| one.flow == flow).collect())
    }

    async fn remove_subscription(
        &self,
        flow: FlowId,
        step: &StepId,
        fingerprint: &str,
    ) -> Result<(), PortError> {
        let key = (flow, step.clone(), fingerprint.to_owned());
        self.write("forget a subscription")?.subscriptions.remove(&key);
        Ok(())
    }

    async fn prune_hooks(&self, oldest: DateTime<Utc>) -> Result<u64, PortError> {
        let mut state = self.write("forget old deliveries")?;
        let keys = state.hook_keys.clone();
        let newest = |key: &HookKey| {
            keys.iter().rfind(|other| other.flow == key.flow && other.step == key.step) == Some(key)
        };
        state.hook_keys.retain(|key| key.retires_at.is_none_or(|at| at >= oldest) || newest(key));
        let before = state.hook_deliveries.len();
        state.hook_deliveries.retain(|_, seen| *seen >= oldest);
        Ok((before - state.hook_deliveries.len()) as u64)
    }
}
