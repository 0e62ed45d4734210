//! Calls of actions of other instances.

use async_trait::async_trait;
use serde_json::Value;
use sluice_protocol::gateway::InvokeRequest;

use crate::Error;

/// Who makes the calls: the gateway, or a test.
#[async_trait]
pub(crate) trait Calls: Send + Sync {
    /// Runs an action of the instance that `instance` binds to an alias, and gives its result.
    async fn invoke(&self, instance: &str, request: &InvokeRequest) -> Result<Value, Error>;
}
