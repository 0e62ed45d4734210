//! What steps keep from run to run, by way of the gateway.
//!
//! A container may ask for the steps that it serves, of each version that still has messages. What is kept belongs to the
//! step of the flow and not to a version, so a new version goes on with it.

use serde_json::Value;
use sluice_domain::{ContainerStart, FlowId, StepAddress, StepId};
use sluice_ports::Fault;
use sluice_protocol::StepKey;

use crate::Engine;
use crate::core::Core;
use crate::gateway::{GatewayError, start_of};

impl Engine {
    /// What a step keeps; none when it keeps nothing.
    ///
    /// # Errors
    /// When the token is none, the container serves no such step, or the store is away.
    pub async fn gateway_state(&self, token: &str, step: &StepKey) -> Result<Option<Value>, GatewayError> {
        let core = &self.core;
        let (flow, step) = served(core, &start_of(core, token).await?, step)?;
        Ok(core.ports.store.step_state(flow, &step).await?)
    }

    /// Keeps what a step is to keep, in the place of what it kept.
    ///
    /// # Errors
    /// As [`gateway_state`](Self::gateway_state).
    pub async fn gateway_put_state(
        &self,
        token: &str,
        step: &StepKey,
        value: &Value,
    ) -> Result<(), GatewayError> {
        let core = &self.core;
        let (flow, step) = served(core, &start_of(core, token).await?, step)?;
        core.ports.store.put_step_state(flow, &step, value).await.map_err(|error| match error.fault {
            // Its flow was deleted just now.
            Fault::NotFound => GatewayError::NoStep,
            _ => error.into(),
        })
    }
}

/// The step of this address, if the container serves it.
fn served(core: &Core, start: &ContainerStart, step: &StepKey) -> Result<(FlowId, StepId), GatewayError> {
    let address = StepAddress::try_from(step).map_err(|_| GatewayError::NoStep)?;
    let snapshot = core.snapshot();
    let live = snapshot.versions.get(&(address.flow, address.version)).ok_or(GatewayError::NoStep)?;
    let compiled = live.compiled.steps.get(&address.step).ok_or(GatewayError::NoStep)?;
    if compiled.deployment.id == start.deployment && compiled.is_served() {
        Ok((address.flow, address.step))
    } else {
        Err(GatewayError::NoStep)
    }
}
