//! The life of a component from its session to its exit code.

use std::sync::Arc;
use std::time::Duration;

use sluice_protocol::gateway::{Boot, Session};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::assignments;
use super::broker::Link;
use super::duties::Duties;
use super::gateway::Gateway;
use super::publisher::Publisher;
use super::runner::Runner;
use super::session::Sessions;
use super::stop::{Reason, Stop};
use super::watchdog::{self, Runs};
use crate::Egress;
use crate::component::Checked;
use crate::credentials::CredentialCache;
use crate::error::chain;

/// How long what was aborted may take to be given back.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The exit code of a component that could not even begin.
const NOT_BEGUN: u8 = 70;

/// Serves until it is told to end. Functions run on `work`.
pub(crate) async fn serve(component: Checked, boot: Boot, work: Handle) -> u8 {
    let stop = Stop::new();
    stop.on_signals();
    let gateway = match Gateway::new(boot) {
        Ok(gateway) => gateway,
        Err(failure) => {
            error!(error = chain(&failure), "the component cannot begin");
            return NOT_BEGUN;
        }
    };
    let component = Arc::new(component);
    let sessions = Arc::new(Sessions::new(gateway.clone(), &component.descriptor, stop.clone()));
    let session = tokio::select! {
        session = sessions.current() => session,
        () = stop.requested() => return exit_code(&stop),
    };
    let egress = match Egress::new(session.egress.as_ref()) {
        Ok(egress) => egress,
        Err(failure) => {
            error!(error = chain(&failure), "the component cannot begin");
            return NOT_BEGUN;
        }
    };
    let publishing = Arc::new(Link::new("publish", Arc::clone(&sessions)));
    let consuming = Arc::new(Link::new("consume", sessions));
    let runner = Arc::new(Runner {
        work,
        publisher: Publisher::start(Arc::clone(&publishing)),
        window: Arc::default(),
        runs: Runs::default(),
        credentials: Arc::new(CredentialCache::new(Arc::new(gateway.clone()))),
        orchestrator: Arc::new(gateway.clone()),
        egress,
        running: TaskTracker::new(),
        abort: CancellationToken::new(),
        stop: stop.clone(),
    });
    let watching = tokio::spawn(watchdog::watch(Arc::clone(&runner)));
    let mut duties = Duties::new(component, Arc::clone(&consuming), Arc::clone(&runner));
    duties.serve_invocations(&session.invocations);
    follow_assignments(&mut duties, gateway, &stop, &session).await;
    wind_up(&mut duties, &runner, &stop).await;
    watching.abort();
    tokio::join!(publishing.discard(), consuming.discard());
    let code = exit_code(&stop);
    info!(code, "ended");
    code
}

/// Applies each list of assignments until the end is requested.
async fn follow_assignments(duties: &mut Duties, gateway: Gateway, stop: &Stop, session: &Session) {
    let (told, mut news) = mpsc::channel(1);
    let following = tokio::spawn(assignments::follow(gateway, stop.clone(), told));
    let mut shared_served = false;
    loop {
        let wanted = tokio::select! {
            biased;
            () = stop.requested() => break,
            wanted = news.recv() => match wanted {
                Some(wanted) => wanted,
                None => break,
            },
        };
        let own = [Some(&session.suspects), Some(&session.invocations), session.common.as_ref()];
        let own: Vec<&str> = own.into_iter().flatten().map(String::as_str).collect();
        let any = !wanted.assignments.is_empty();
        duties.apply(wanted, &own);
        // Only now: before the first assignments there would be no way to answer for a suspect.
        if !shared_served && any {
            duties.serve_suspects(&session.suspects);
            if let Some(common) = &session.common {
                duties.serve_common(common);
            }
            shared_served = true;
        }
    }
    following.abort();
}

/// Takes nothing new, lets what began come to its end, and gives back what does not in time.
async fn wind_up(duties: &mut Duties, runner: &Runner, stop: &Stop) {
    let reason = stop.reason().unwrap_or(Reason::Drain);
    let grace = reason.grace().min(duties.longest_timeout() + LAST_WORDS);
    info!(?reason, grace_seconds = grace.as_secs(), "ending");
    duties.wind_up();
    if timeout(grace, duties.ended()).await.is_ok() {
        return;
    }
    warn!("some runs did not end in time, they are given back");
    runner.abort.cancel();
    if timeout(LAST_WORDS, duties.ended()).await.is_err() {
        warn!("some records were not answered, they come back as suspects");
    }
}

fn exit_code(stop: &Stop) -> u8 {
    stop.reason().map_or(0, Reason::exit_code)
}
