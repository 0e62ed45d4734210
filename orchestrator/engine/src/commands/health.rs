//! Readiness.

use sluice_ports::broker::Health;

use crate::Engine;
use crate::views::Readiness;

impl Engine {
    /// Whether Sluice can do its work, and what is missing otherwise.
    pub async fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        reasons.extend(self.broker_trouble());
        if let Err(error) = self.core.ports.runtime.version().await {
            reasons.push(format!("the container engine is away: {}", crate::chain(&error)));
        }
        if let Err(error) = self.core.ports.store.count_waiting().await {
            reasons.push(format!("the store does not answer: {}", crate::chain(&error)));
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// What keeps the broker from taking messages, if anything does.
    pub(super) fn broker_trouble(&self) -> Option<String> {
        match self.core.ports.broker.health() {
            Health::Up => None,
            Health::Blocked(reason) => Some(format!("the broker blocks publishing: {reason}")),
            Health::Down { reason, since } => {
                Some(format!("the broker is away for {} s: {reason}", since.as_secs()))
            }
        }
    }
}
