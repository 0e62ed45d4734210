//! Readiness.

use sluice_ports::broker::Health;

use crate::Engine;
use crate::views::Readiness;

impl Engine {
    /// Whether Sluice can do its work, and what is missing otherwise.
    pub async fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        match self.core.ports.broker.health() {
            Health::Up => {}
            Health::Blocked(reason) => reasons.push(format!("the broker blocks publishing: {reason}")),
            Health::Down { reason, since } => {
                reasons.push(format!("the broker is away for {} s: {reason}", since.as_secs()));
            }
        }
        if let Err(error) = self.core.ports.runtime.version().await {
            reasons.push(format!("the container engine is away: {}", crate::chain(&error)));
        }
        if let Err(error) = self.core.ports.store.count_waiting().await {
            reasons.push(format!("the store does not answer: {}", crate::chain(&error)));
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }
}
