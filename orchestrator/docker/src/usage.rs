//! What containers use.

use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use sluice_ports::PortError;
use sluice_ports::runtime::Usage;

use crate::Docker;
use crate::fault::{is_not_found, port_error};

impl Docker {
    pub(crate) async fn container_usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        let Some(found) = self.find(name).await? else { return Ok(None) };
        // Once, without the second look after a second by which the engine would count a rate.
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut stats = Box::pin(self.client().await?.stats(&found.id, Some(options)));
        match stats.next().await {
            None => Ok(None),
            Some(Err(error)) if is_not_found(&error) => Ok(None),
            Some(Err(error)) => Err(port_error(format!("ask what container {name} uses"), error)),
            Some(Ok(stats)) => Ok(usage_of(&stats)),
        }
    }
}

/// A container that does not run has numbers too, all of them zero.
fn usage_of(stats: &ContainerStatsResponse) -> Option<Usage> {
    let memory = stats.memory_stats.as_ref()?;
    let cpu = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let detail = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    // Files that were read and may be forgotten: control groups of version 2, then 1.
    let cache = detail("inactive_file").or_else(|| detail("total_inactive_file")).unwrap_or(0);
    Some(Usage { memory_bytes: memory.usage?.saturating_sub(cache), cpu: Duration::from_nanos(cpu) })
}
