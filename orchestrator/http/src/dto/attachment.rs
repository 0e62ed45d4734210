//! Attachments: processes of authors in the place of a component's containers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_engine::{AttachedDeployment, AttachmentView};
use utoipa::ToSchema;

/// What to take the place of.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The descriptor that the processes implement. It names the component, and must be that of its version in use.
    pub descriptor: Value,
}

/// An attachment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Attachment {
    /// Its id.
    pub id: String,
    /// The component.
    pub component: String,
    /// The version of it that was in use when it began.
    pub version: String,
    /// When it began.
    pub attached_at: DateTime<Utc>,
    /// The deployments that processes are to serve in the place of containers.
    pub deployments: Vec<AttachableDeployment>,
}

/// A deployment that an attachment takes over.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AttachableDeployment {
    /// Its id.
    pub id: String,
    /// Who may share it: `shared`, `tenant …`, `flow …` or `step …`.
    pub scope: String,
    /// Whether its container is gone, so that a process may begin.
    pub free: bool,
    /// Whether a process serves it.
    pub served: bool,
    /// The names of the flows that use it.
    pub flows: Vec<String>,
}

/// Lets an attachment go on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewAttachment {
    /// The ids of the deployments that processes run for. The tokens of others work no more.
    pub processes: Vec<String>,
}

/// A process that begins.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartAttached {
    /// The id of the deployment that it is to serve.
    pub deployment: String,
}

/// What a process has to read on its standard input: its boot line. This is the only time that its token is shown.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct AttachedBoot {
    /// The base URL of the component gateway.
    pub gateway: String,
    /// The bearer token of this start.
    pub token: String,
}

impl From<AttachmentView> for Attachment {
    fn from(view: AttachmentView) -> Self {
        Self {
            id: view.id.to_string(),
            component: view.component.to_string(),
            version: view.version.to_string(),
            attached_at: view.attached_at,
            deployments: view.deployments.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<AttachedDeployment> for AttachableDeployment {
    fn from(one: AttachedDeployment) -> Self {
        Self {
            id: one.id.to_string(),
            scope: one.scope.to_string(),
            free: one.free,
            served: one.served,
            flows: one.flows.iter().map(ToString::to_string).collect(),
        }
    }
}
