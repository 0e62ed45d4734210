//! Broker users of container starts that are no more.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_domain::{ContainerStart, ContainerStartId};
use sluice_ports::PortError;
use sluice_ports::runtime::Container;
use tracing::{info, warn};

use crate::core::Core;

/// How long what a process before this one asked of the container engine may take.
const ASKED_BEFORE: Duration = Duration::from_secs(10);

/// Revokes the users of starts that nobody knows.
pub(crate) async fn sweep(core: &Core) {
    let Some(users) = &core.ports.users else { return };
    let (Ok(there), Ok(known)) = (users.list().await, core.ports.store.starts().await) else { return };
    let mut known: BTreeSet<ContainerStartId> = known.into_iter().map(|start| start.id).collect();
    known.extend(core.attachments.starts());
    for start in there.into_iter().filter(|start| !known.contains(start)) {
        match users.revoke(start).await {
            Ok(()) => info!(start.id = %start, "the broker user of a container that is gone is deleted"),
            Err(error) => warn!(error = crate::chain(&error), "cannot delete a broker user"),
        }
    }
}

/// Ends what the starts may do whose container is gone, though nobody here removed it: it vanished, or never came to be
/// because the process that made it died in between. `starts` were read after `containers`, and no container is being
/// made meanwhile.
///
/// # Errors
/// When the broker or the store is away; the next call finds the same.
pub(crate) async fn release(
    core: &Core,
    containers: &[Container],
    starts: &[ContainerStart],
) -> Result<(), PortError> {
    // What a process before this one began may come to be a moment later. That container is then not known and removed.
    if core.started.elapsed() < ASKED_BEFORE {
        return Ok(());
    }
    let there: BTreeSet<ContainerStartId> = containers.iter().map(|container| container.start).collect();
    for start in starts.iter().map(|start| start.id).filter(|start| !there.contains(start)) {
        if let Some(users) = &core.ports.users {
            users.revoke(start).await?;
        }
        core.ports.store.remove_start(start).await?;
        core.contacts().remove(&start);
        core.egress.passes.forget(start);
        info!(start.id = %start, "a container is gone; its token and its broker user are no more");
    }
    Ok(())
}
