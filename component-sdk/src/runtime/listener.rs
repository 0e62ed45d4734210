//! Keeps one listener running: started again for ever when it ends, stopped when it is paused or not wanted.

use std::sync::Arc;
use std::time::Duration;

use sluice_protocol::MessageId;
use sluice_protocol::gateway::Assignment;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span, warn};

use super::backoff::Backoff;
use super::outlet::ListenerOutlet;
use super::runner::Runner;
use super::stop::Reason;
use crate::context::{Context, Inner};
use crate::function::Listen;
use crate::{Emitter, Error};

/// How long a stopped listener may take to wind up.
const TO_WIND_UP: Duration = Duration::from_secs(5);
/// How long a listener that was dropped may hold its thread.
const TO_YIELD: Duration = Duration::from_secs(2);
/// A listener that ran this long did well: its next start waits little again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs a listener until `stop`.
pub(crate) async fn keep(
    assignment: Assignment,
    listen: Result<Listen, Error>,
    runner: Arc<Runner>,
    stop: CancellationToken,
) {
    let span = info_span!("listen", step.id = %assignment.step);
    async {
        let listen = match listen {
            Ok(listen) => listen,
            Err(error) => {
                error!(code = error.code(), "the listener cannot start");
                return;
            }
        };
        let mut backoff = Backoff::new();
        while !stop.is_cancelled() {
            let started = Instant::now();
            run_once(&assignment, &listen, &runner, &stop).await;
            if started.elapsed() >= HEALTHY {
                backoff.reset();
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = backoff.wait() => {}
            }
        }
    }
    .instrument(span)
    .await;
}

async fn run_once(assignment: &Assignment, listen: &Listen, runner: &Runner, stop: &CancellationToken) {
    let routing_key = assignment.routing_key.as_str().into();
    let outlet =
        ListenerOutlet::new(runner.publisher.clone(), assignment.step.clone(), routing_key, stop.clone());
    let emitter = Emitter::new(Arc::new(outlet), &assignment.step);
    let cx = Context::new(Inner {
        id: MessageId::from_bits(rand::random()),
        execution: None,
        attempt: 1,
        headers: sluice_protocol::Headers::new(),
        step: assignment.step.clone(),
        traceparent: None,
        instance: assignment.instance.clone(),
        revision: None,
        deadline: None,
        cancelled: stop.child_token(),
        tick: None,
        credentials: Arc::clone(&runner.credentials),
        sink: None,
        trace: false,
        orchestrator: Arc::clone(&runner.orchestrator),
        depth: 0,
        egress: runner.egress.clone(),
    });
    let (listen, span) = (Arc::clone(listen), tracing::Span::current());
    let mut handle = runner.work.spawn(async move { listen(cx, emitter).await }.instrument(span));
    let ended = tokio::select! {
        ended = &mut handle => Some(ended),
        () = stop.cancelled() => timeout(TO_WIND_UP, &mut handle).await.ok(),
    };
    match ended {
        Some(Ok(Ok(()))) if stop.is_cancelled() => {}
        Some(Ok(Ok(()))) => warn!("the listener ended, it is started again"),
        Some(Ok(Err(error))) => warn!(%error, "the listener failed, it is started again"),
        Some(Err(_)) => error!("the listener panicked, it is started again"),
        None => {
            handle.abort();
            if timeout(TO_YIELD, &mut handle).await.is_err() {
                error!("the listener does not yield its thread, the component has to restart");
                runner.stop.request(Reason::Stuck);
            }
        }
    }
}
