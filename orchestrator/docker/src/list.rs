//! The containers of this installation, as their labels and the engine tell them.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, ContainerState as State, ContainerStateStatusEnum, HostConfig,
};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_domain::ExitInfo;
use sluice_ports::PortError;
use sluice_ports::runtime::{Container, ContainerState, EffectiveLimits};

use crate::fault::{is_not_found, port_error};
use crate::{Docker, labels};

const OPERATION: &str = "list containers";
/// How many containers are inspected at a time: the list itself tells neither exit codes nor limits.
const INSPECTIONS: usize = 8;

impl Docker {
    /// The ids of all containers of the installation, running or not.
    pub(crate) async fn container_ids(&self) -> Result<Vec<String>, PortError> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(labels::filter(&self.config.installation)),
            ..ListContainersOptions::default()
        };
        let listed = self.client().await?.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| port_error(OPERATION, error))?;
        Ok(listed.into_iter().filter_map(|container| container.id).collect())
    }

    pub(crate) async fn list_containers(&self) -> Result<Vec<Container>, PortError> {
        let client = self.client().await?;
        let inspected = stream::iter(self.container_ids().await?).map(async |id| {
            match client.inspect_container(&id, None::<InspectContainerOptions>).await {
                // It went away since it was listed.
                Err(error) if is_not_found(&error) => Ok(None),
                answer => answer.map(Some),
            }
        });
        let inspected: Vec<_> = inspected
            .buffer_unordered(INSPECTIONS)
            .try_collect()
            .await
            .map_err(|error| port_error(OPERATION, error))?;
        let mut containers: Vec<_> = inspected.into_iter().flatten().filter_map(container).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }
}

/// Reads what the engine says of a container. One that bears our label but not our marks is left alone.
fn container(inspect: ContainerInspectResponse) -> Option<Container> {
    let name = inspect.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
    let read = || {
        let tags: &HashMap<_, _> = inspect.config.as_ref()?.labels.as_ref()?;
        Some(Container {
            name: name.clone(),
            deployment: tags.get(labels::DEPLOYMENT)?.parse().ok()?,
            start: tags.get(labels::START)?.parse().ok()?,
            state: state(inspect.state.as_ref()?),
            created_at: time(inspect.created.as_deref()?)?,
            limits: limits_of(inspect.host_config.as_ref())?,
        })
    };
    let container = read();
    if container.is_none() {
        tracing::warn!(container.name = %name, "a container has our label but was not made by us; it is left alone");
    }
    container
}

fn state(state: &State) -> ContainerState {
    match state.status {
        // A paused container holds its messages; it is the operator's doing, and not an end.
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED) => ContainerState::Running,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
            ContainerState::Exited(ExitInfo {
                code: state.exit_code.unwrap_or(-1),
                out_of_memory: state.oom_killed.unwrap_or(false),
            })
        }
        _ => ContainerState::Transition,
    }
}

/// The limits in effect. An engine that cannot enforce one says zero or nothing.
pub(crate) fn limits_of(host: Option<&HostConfig>) -> Option<EffectiveLimits> {
    let host = host?;
    Some(EffectiveLimits {
        memory_bytes: u64::try_from(host.memory.unwrap_or(0)).unwrap_or(0),
        nano_cpus: host.nano_cpus.unwrap_or(0),
        pids: host.pids_limit.unwrap_or(0),
    })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
