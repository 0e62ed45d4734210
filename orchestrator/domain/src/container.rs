//! Starts and ends of containers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ContainerStartId, DeploymentId};

/// One start of one container, as the gateway knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStart {
    /// Its id; also the name of its broker user.
    pub id: ContainerStartId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// SHA-256 of its gateway token.
    pub token_hash: [u8; 32],
    /// When it was started.
    pub started_at: DateTime<Utc>,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitInfo {
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub code: i64,
    /// Whether the kernel ended it because it used more memory than it may.
    pub out_of_memory: bool,
}
