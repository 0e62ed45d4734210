//! What a step keeps from run to run.

use async_trait::async_trait;
use serde_json::Value;
use sluice_protocol::StepKey;

use crate::Error;

/// Who keeps it: the gateway, or a test.
#[async_trait]
pub(crate) trait Keeper: Send + Sync {
    /// What the step keeps; none when it keeps nothing, or is no step of a flow.
    async fn state(&self, step: &StepKey) -> Result<Option<Value>, Error>;

    /// Keeps it. Not true when it is no step of a flow, so that nothing is kept.
    async fn put_state(&self, step: &StepKey, value: &Value) -> Result<bool, Error>;
}
