//! Who goes out: the start of a container, and a password that only it was given.
//!
//! The password follows from what is kept of the start's token, so it is the same after a restart of this process, needs
//! no place of its own, and ends with the start. It opens nothing but the way out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sluice_domain::{ContainerStart, ContainerStartId};
use sluice_ports::PortError;
use sluice_ports::egress::Caller;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::core::Core;
use crate::gateway::hex;

/// The store is asked for starts that are not known at most this often.
const APART: Duration = Duration::from_millis(200);

/// The starts that may go out, as they were read last.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    starts: HashMap<ContainerStartId, ContainerStart>,
    read: Option<Instant>,
}

/// The password of a start.
pub(crate) fn password(start: &ContainerStart) -> String {
    let mut hash = Sha256::new();
    hash.update(b"sluice egress 1\n");
    hash.update(start.token_hash);
    hex(&hash.finalize())
}

impl Passes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a start that was given its password.
    pub(crate) fn note(&self, start: &ContainerStart) {
        self.state().starts.insert(start.id, start.clone());
    }

    /// Forgets a start that is no more.
    pub(crate) fn forget(&self, start: ContainerStartId) {
        self.state().starts.remove(&start);
    }

    /// Who has this user name and password.
    pub(crate) async fn prove(
        &self,
        core: &Core,
        username: &str,
        given: &str,
    ) -> Result<Option<Caller>, PortError> {
        let Ok(id) = username.parse::<ContainerStartId>() else { return Ok(None) };
        let Some(start) = self.find(core, id).await? else { return Ok(None) };
        let right = password(&start).as_bytes().ct_eq(given.as_bytes()).into();
        Ok(if right { Some(Caller { start: id, deployment: start.deployment }) } else { None })
    }

    /// The start of this id, if its container may still go out.
    pub(crate) async fn find(
        &self,
        core: &Core,
        id: ContainerStartId,
    ) -> Result<Option<ContainerStart>, PortError> {
        {
            let mut state = self.state();
            if let Some(start) = state.starts.get(&id) {
                return Ok(Some(start.clone()));
            }
            if state.read.is_some_and(|at| at.elapsed() < APART) {
                return Ok(None);
            }
            state.read = Some(Instant::now());
        }
        let starts = core.ports.store.starts().await?;
        let mut state = self.state();
        state.starts = starts.into_iter().map(|start| (start.id, start)).collect();
        Ok(state.starts.get(&id).cloned())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use sluice_domain::DeploymentId;

    use super::*;

    #[test]
    fn each_start_has_a_password_of_its_own_that_does_not_tell_the_hash() {
        let start = |number: u8| ContainerStart {
            id: ContainerStartId::from_bits(number.into()),
            deployment: DeploymentId::from_bits(1),
            token_hash: [number; 32],
            started_at: DateTime::UNIX_EPOCH,
        };
        let (one, other) = (password(&start(1)), password(&start(2)));
        assert_eq!(one, password(&start(1)));
        assert!(one != other && one.len() == 64 && !one.contains(&hex(&[1; 32])));
    }
}
