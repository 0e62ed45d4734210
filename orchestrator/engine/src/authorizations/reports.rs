//! What components find out: that the other side takes no token of an instance any more.

use std::sync::Arc;

use sluice_ports::PortError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::store::{self, Change};
use crate::core::Core;
use crate::router::effects::Parked;
use crate::{CommandError, chain};

/// Notes what components report, until `stop`.
pub(crate) async fn follow_reports(
    core: Arc<Core>,
    mut reports: mpsc::UnboundedReceiver<Parked>,
    stop: CancellationToken,
) {
    loop {
        let report = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            report = reports.recv() => report,
        };
        let Some(report) = report else { return };
        if let Err(error) = note(&core, &report).await {
            warn!(instance.name = %report.instance, error = chain(&error), "cannot note that an instance has to be authorised");
        }
    }
}

async fn note(core: &Core, report: &Parked) -> Result<(), CommandError> {
    if core.snapshot().parked.contains(&report.instance) {
        return Ok(());
    }
    let flight = core.authorizations.flight(&report.instance);
    let _one_at_a_time = flight.lock().await;
    let known = core.ports.store.authorization(&report.instance).await?;
    match &known {
        Some(known) if !known.state.is_usable() => store::mark(core, &report.instance, true),
        // It was authorised after that run began.
        Some(known) if known.updated_at > report.began => {}
        Some(_) => {
            let dead = Change::Dead(report.error.message.clone());
            store::change(core, &report.instance, known.as_ref(), dead).await?;
        }
        None if core.ports.store.instance(&report.instance).await?.is_none() => {
            return Err(CommandError::from(PortError::not_found("find the instance")));
        }
        None => store::mark(core, &report.instance, true),
    }
    Ok(())
}
