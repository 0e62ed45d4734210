//! What a run asks of the orchestrator.

use async_trait::async_trait;
use serde_json::Value;
use sluice_protocol::StepKey;
use sluice_protocol::gateway::InvokeRequest;

use crate::Error;

/// Who is asked: the gateway, or a test.
#[async_trait]
pub(crate) trait Orchestrator: Send + Sync {
    /// Runs an action of the instance that `instance` binds to an alias, and gives its result.
    async fn invoke(&self, instance: &str, request: &InvokeRequest) -> Result<Value, Error>;

    /// What the step keeps; none when it keeps nothing, or is no step of a flow.
    async fn state(&self, step: &StepKey) -> Result<Option<Value>, Error>;

    /// Keeps it. Not true when it is no step of a flow, so that nothing is kept.
    async fn put_state(&self, step: &StepKey, value: &Value) -> Result<bool, Error>;
}
