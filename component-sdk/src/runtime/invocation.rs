//! Invocations: records that say themselves what to run. Each is a step of its own for the time of its one run.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_protocol::StepKey;
use sluice_protocol::gateway::Assignment;
use sluice_protocol::invocation::Invocation;

use super::duties::bind_call;
use super::step::Served;
use crate::component::Checked;

/// How many invocations one process holds at a time.
pub(crate) const PREFETCH: u16 = 64;

/// Whether nobody waits for it any more.
pub(crate) fn is_expired(invocation: &Invocation) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::from(invocation.expires_at) <= i128::try_from(now.as_millis()).unwrap_or(i128::MAX)
}

/// The step that an invocation is.
pub(crate) fn served(component: &Checked, step: &StepKey, invocation: &Invocation) -> Served {
    let assignment = Assignment {
        step: step.clone(),
        function: invocation.function.clone(),
        role: invocation.role,
        queue: None,
        config: invocation.config.clone(),
        instance: invocation.instance.clone(),
        revision: invocation.revision,
        concurrency: 1,
        timeout_ms: invocation.timeout_ms,
        routing_key: invocation.routing_key.clone(),
        paused: false,
    };
    let call = bind_call(component, &assignment);
    Served { routing_key: assignment.routing_key.as_str().into(), assignment, call }
}
