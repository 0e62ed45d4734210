//! Deployments: the containers that serve one component version in one isolation scope.

use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_protocol::{ComponentName, MessageId};

use crate::{
    Connector, DeploymentId, FlowId, FlowName, ImageDigest, ImageRef, Isolation, Limits, Owned, PinnedImage,
    StepId, TenantName,
};

/// What a deployment runs. Equal demands have equal ids and meet in one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// The id, derived from everything below.
    pub id: DeploymentId,
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: semver::Version,
    /// The image as it was installed.
    pub image: ImageRef,
    /// What the image was when it was installed; what really runs.
    pub digest: ImageDigest,
    /// Who may share it.
    pub scope: Scope,
    /// What each of its containers may use.
    pub limits: Limits,
}

/// Who may share a deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every flow that belongs to no tenant.
    Shared,
    /// Every flow of one tenant.
    Tenant(TenantName),
    /// The steps of one flow.
    Flow(FlowId),
    /// One step of one flow.
    Step(FlowId, StepId),
}

impl Scope {
    /// The scope of a step of a flow with this isolation. Tenants share nothing.
    #[must_use]
    pub fn of(isolation: Isolation, (flow, name): (FlowId, &FlowName), step: &StepId) -> Self {
        match isolation {
            Isolation::Shared => Self::shared_by(name.tenant()),
            Isolation::Flow => Self::Flow(flow),
            Isolation::Step => Self::Step(flow, step.clone()),
        }
    }

    /// The widest scope of a tenant, or of what belongs to none.
    #[must_use]
    pub fn shared_by(tenant: Option<TenantName>) -> Self {
        tenant.map_or(Self::Shared, Self::Tenant)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Flow(flow) => write!(f, "flow {flow}"),
            Self::Step(flow, step) => write!(f, "step {flow}/{step}"),
        }
    }
}

impl DeploymentSpec {
    /// Describes the deployment of a connector that has the image `pinned`, and derives its id.
    #[must_use]
    pub fn new(connector: &Connector, pinned: &PinnedImage, scope: Scope, limits: Limits) -> Self {
        let key = serde_json::json!([connector.name(), connector.version(), pinned.digest, scope, limits]);
        let id = MessageId::derive("deployment", key.to_string().as_bytes());
        Self {
            id: DeploymentId::from_bits(id.bits()),
            component: connector.name().clone(),
            version: connector.version().clone(),
            image: pinned.image.clone(),
            digest: pinned.digest.clone(),
            scope,
            limits,
        }
    }
}
