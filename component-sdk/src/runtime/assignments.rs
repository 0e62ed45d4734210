//! The loop that asks the gateway what to serve.
//!
//! A gateway that cannot be reached changes nothing: the component goes on with what it was told last.

use std::time::Duration;

use sluice_protocol::gateway::Assignments;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::gateway::{Gateway, GatewayError};
use super::stop::{Reason, Stop};
use crate::error::chain;

/// Keeps a gateway that does not hold its answers back from being asked in a tight loop.
const BREATH: Duration = Duration::from_millis(50);

/// Asks for ever and passes each new answer on, the next one only after the one before was taken: long lists do not pile up.
pub(crate) async fn follow(gateway: Gateway, stop: Stop, told: mpsc::Sender<Assignments>) {
    let mut since = None;
    let mut backoff = Backoff::new();
    loop {
        match gateway.assignments(since).await {
            Ok(answer) => {
                backoff.reset();
                if let Some(assignments) = answer {
                    since = Some(assignments.revision);
                    info!(
                        revision = assignments.revision,
                        steps = assignments.assignments.len(),
                        "assignments changed"
                    );
                    if assignments.drain {
                        stop.request(Reason::Drain);
                    }
                    if told.send(assignments).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(BREATH).await;
            }
            Err(refusal @ GatewayError::Unauthorised) => {
                error!(error = %refusal, "no assignments any more");
                stop.request(Reason::Unauthorised);
                backoff.wait().await;
            }
            Err(failure) => {
                warn!(
                    error = chain(&failure),
                    "assignments cannot be asked for, going on with the last ones"
                );
                backoff.wait().await;
            }
        }
    }
}
