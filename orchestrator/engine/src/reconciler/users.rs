//! Broker users of container starts that are no more.

use std::collections::BTreeSet;

use sluice_domain::ContainerStartId;
use tracing::{info, warn};

use crate::core::Core;

/// Revokes the users of starts that nobody knows.
pub(crate) async fn sweep(core: &Core) {
    let Some(users) = &core.ports.users else { return };
    let (Ok(there), Ok(known)) = (users.list().await, core.ports.store.starts().await) else { return };
    let known: BTreeSet<ContainerStartId> = known.into_iter().map(|start| start.id).collect();
    for start in there.into_iter().filter(|start| !known.contains(start)) {
        match users.revoke(start).await {
            Ok(()) => info!(start.id = %start, "the broker user of a container that is gone is deleted"),
            Err(error) => warn!(error = crate::chain(&error), "cannot delete a broker user"),
        }
    }
}
