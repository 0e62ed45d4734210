//! Runs that take longer than their step allows: answered, and by a process that goes on.

use std::time::Duration;

use sluice_domain::ContainerStartId;
use sluice_engine::Invoked;

use super::Suite;
use super::call::Broken;
use crate::acceptance::Case;
use crate::{Check, CheckName};

/// An answer that comes so much later than the time was up is a reason to see whether the process ends.
const LATE: Duration = Duration::from_secs(1);

impl Suite<'_> {
    /// What became of the cases that have a timeout.
    pub(super) fn timeouts(&mut self) {
        if !self.wants(CheckName::Timeout, None) {
            return;
        }
        if self.slow.is_empty() {
            let reason = "no case has a `timeout`, so none takes longer than its step allows";
            return self.add(Check::skipped(CheckName::Timeout, reason));
        }
        let checks: Vec<Check> = self
            .slow
            .iter()
            .map(|slow| {
                let check = Check::of(CheckName::Timeout, slow.answer.clone());
                check.about(&slow.function).case(&slow.case.name)
            })
            .collect();
        self.checks.extend(checks);
    }

    /// How a process ended that had to, since a function did not give its thread back.
    pub(super) async fn stuck(&self, start: ContainerStartId) -> Option<String> {
        let exit = self.exit(start).await.ok().flatten().filter(|exit| exit.code != 0)?;
        let code = exit.code;
        Some(format!(
            "it was answered late, and the process ended with code {code}: the function blocks its thread"
        ))
    }

    /// The container that runs, if one does.
    pub(super) async fn container(&self) -> Option<ContainerStartId> {
        let running = self.bench.witness.running().await.ok()?;
        running.first().map(|container| container.start)
    }
}

/// Whether a run was answered much later than its time was up.
pub(super) fn is_late(case: &Case, answer: &Result<Invoked, Broken>) -> bool {
    let Ok(invoked) = answer else { return false };
    case.timeout.is_some_and(|timeout| Duration::from_micros(invoked.micros) > timeout.get() + LATE)
}
