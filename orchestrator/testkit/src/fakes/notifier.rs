//! A notifier that remembers.

use std::sync::Mutex;

use async_trait::async_trait;
use sluice_ports::{Fault, Notice, Notifier, PortError};

use super::lock;

/// Remembers what it was to send.
#[derive(Debug, Default)]
pub struct MemoryNotifier(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: Vec<Notice>,
    refusing: u32,
}

impl MemoryNotifier {
    /// What was sent and taken, in that order.
    #[must_use]
    pub fn sent(&self) -> Vec<Notice> {
        lock(&self.0).sent.clone()
    }

    /// Refuses the next so many.
    pub fn refuse(&self, count: u32) {
        lock(&self.0).refusing = count;
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn send(&self, notice: &Notice) -> Result<(), PortError> {
        let mut state = lock(&self.0);
        if state.refusing > 0 {
            state.refusing -= 1;
            return Err(PortError::new(Fault::Transient, "send a notice", "the test says so"));
        }
        state.sent.push(notice.clone());
        Ok(())
    }
}
