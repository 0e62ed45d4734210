//! Deployments.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_engine::{DeploymentStatus, DeploymentView};
use utoipa::ToSchema;

use super::Exit;

/// The containers that serve one component version in one isolation scope.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// The component.
    pub component: String,
    /// The component's version.
    pub version: String,
    /// The image.
    pub image: String,
    /// What the image was when it was installed; what really runs.
    pub digest: String,
    /// Who may share it: `shared`, `flow …` or `step …`.
    pub scope: String,
    /// How it stands: `starting`, `running`, `crash_loop` or `stopping`; `attaching` or `attached` where a process takes
    /// the place of its container.
    pub status: String,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its container, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// How its last container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// How often it was started since the orchestrator runs.
    pub starts: u64,
    /// The names of the flows that use it.
    pub flows: Vec<String>,
}

/// A container.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The id of its start.
    pub start: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Memory that it may use, in bytes.
    pub memory_bytes: u64,
    /// Processors that it may use.
    pub cpus: f64,
    /// Processes and threads that it may have.
    pub pids: i64,
}

impl From<DeploymentView> for Deployment {
    fn from(view: DeploymentView) -> Self {
        let status = match view.status {
            DeploymentStatus::Starting => "starting",
            DeploymentStatus::Running => "running",
            DeploymentStatus::CrashLoop => "crash_loop",
            DeploymentStatus::Idle => "idle",
            DeploymentStatus::Stopping => "stopping",
            DeploymentStatus::Attaching => "attaching",
            DeploymentStatus::Attached => "attached",
        };
        Self {
            id: view.spec.id.to_string(),
            component: view.spec.component.to_string(),
            version: view.spec.version.to_string(),
            image: view.spec.image.to_string(),
            digest: view.spec.digest.to_string(),
            scope: view.spec.scope.to_string(),
            status: status.to_owned(),
            reason: view.reason,
            container: view.container.map(Into::into),
            last_exit: view.last_exit.map(Into::into),
            starts: view.starts,
            flows: view.flows.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<sluice_engine::ContainerView> for Container {
    fn from(view: sluice_engine::ContainerView) -> Self {
        Self {
            name: view.name,
            start: view.start.to_string(),
            created_at: view.created_at,
            memory_bytes: view.memory_bytes,
            #[expect(clippy::cast_precision_loss, reason = "a number of processors, for showing")]
            cpus: view.nano_cpus as f64 / 1e9,
            pids: view.pids,
        }
    }
}
