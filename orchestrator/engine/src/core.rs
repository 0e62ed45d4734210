//! What the loops and the commands share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_domain::{ContainerStartId, DeploymentId, DeploymentSpec, FlowId, Instance, StepId};
use sluice_planner::Catalogue;
use sluice_ports::runtime::Container;
use sluice_ports::store::StoredInstance;
use sluice_ports::{PortError, Ports};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::attachments::Attachments;
use crate::authorizations::Authorizations;
use crate::egress::Egress;
use crate::events::News;
use crate::hooks::Hooks;
use crate::installed::Installed;
use crate::invocations::Invocations;
use crate::recorder::Recorder;
use crate::replies::Replies;
use crate::router::worker::Exits;
use crate::settings::Settings;
use crate::survey::Survey;
use crate::table::{Snapshot, Table};
use crate::views::DeploymentStatus;

/// What the loops and the commands share.
pub(crate) struct Core {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) table: Arc<Table>,
    pub(crate) recorder: Recorder,
    pub(crate) exits: Exits,
    pub(crate) invocations: Invocations,
    /// Processes of authors in the place of containers.
    pub(crate) attachments: Attachments,
    /// Requests of webhooks that wait for an answer.
    pub(crate) replies: Replies,
    pub(crate) authorizations: Authorizations,
    /// Where components may go.
    pub(crate) egress: Egress,
    pub(crate) installed: Installed,
    pub(crate) news: News,
    /// What takes the requests of webhooks.
    pub(crate) hooks: Hooks,
    /// What the reconciler last saw.
    pub(crate) deployments: Mutex<BTreeMap<DeploymentId, DeploymentState>>,
    /// When each container start spoke to the gateway last.
    pub(crate) contacts: Mutex<HashMap<ContainerStartId, Instant>>,
    /// Polling triggers whose last tick the broker did not confirm.
    pub(crate) unconfirmed: Mutex<BTreeSet<(FlowId, StepId)>>,
    /// What waits where.
    pub(crate) survey: Survey,
    /// Wakes the reconciler.
    pub(crate) wake: Notify,
    /// Serialises changes of flows, so that a plan is not overtaken between planning and storing.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
    /// When this process started.
    pub(crate) started: Instant,
}

/// A deployment as the reconciler last saw it.
#[derive(Debug, Clone)]
pub(crate) struct DeploymentState {
    pub(crate) spec: DeploymentSpec,
    pub(crate) status: DeploymentStatus,
    pub(crate) reason: Option<String>,
    pub(crate) container: Option<Container>,
    pub(crate) starts: u64,
    /// Ends in a row that came too soon.
    pub(crate) failures: u32,
    /// The start whose end was counted last.
    pub(crate) ended: Option<ContainerStartId>,
    /// Before this it is not started again.
    pub(crate) not_before: Option<Instant>,
}

impl DeploymentState {
    pub(crate) fn new(spec: DeploymentSpec) -> Self {
        Self {
            spec,
            status: DeploymentStatus::Starting,
            reason: None,
            container: None,
            starts: 0,
            failures: 0,
            ended: None,
            not_before: None,
        }
    }
}

impl Core {
    /// All installed connectors, without instances.
    pub(crate) async fn catalogue(&self) -> Result<Arc<Catalogue>, PortError> {
        self.installed.catalogue(&*self.ports.store).await
    }

    /// Stores an instance and lets components know that what they keep of it is out of date.
    pub(crate) async fn put_instance(&self, stored: &StoredInstance) -> Result<(), PortError> {
        self.ports.store.put_instance(stored).await?;
        let Instance { name, revision, .. } = &stored.instance;
        self.table.change(|snapshot| {
            Arc::make_mut(&mut snapshot.revisions).insert(name.clone(), *revision);
        });
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.table.snapshot()
    }

    pub(crate) fn deployments(&self) -> MutexGuard<'_, BTreeMap<DeploymentId, DeploymentState>> {
        self.deployments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unconfirmed(&self) -> MutexGuard<'_, BTreeSet<(FlowId, StepId)>> {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contacts(&self) -> MutexGuard<'_, HashMap<ContainerStartId, Instant>> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
