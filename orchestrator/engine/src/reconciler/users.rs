//! Broker users of container starts that are no more.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_domain::ContainerStartId;
use tracing::{info, warn};

use crate::core::Core;

/// How long a container may take from its record to being listed.
const STARTING: Duration = Duration::from_secs(120);

/// Revokes the users of starts that nobody knows.
pub(crate) async fn sweep(core: &Core) {
    let Some(users) = &core.ports.users else { return };
    forget_starts(core).await;
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

/// Forgets starts whose container never came to be, because the process that made them died in between.
async fn forget_starts(core: &Core) {
    let (Ok(starts), Ok(containers)) = (core.ports.store.starts().await, core.ports.runtime.list().await)
    else {
        return;
    };
    let there: BTreeSet<ContainerStartId> = containers.into_iter().map(|container| container.start).collect();
    let now = core.ports.clock.now();
    for start in starts.into_iter().filter(|start| !there.contains(&start.id)) {
        let old = (now - start.started_at).to_std().is_ok_and(|age| age > STARTING);
        if old {
            if let Err(error) = core.ports.store.remove_start(start.id).await {
                warn!(error = crate::chain(&error), "cannot forget a container start");
            }
            core.egress.passes.forget(start.id);
        }
    }
}
