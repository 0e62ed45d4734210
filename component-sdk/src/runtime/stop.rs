//! The one signal that ends a component, with its reason, and the exit code that tells it.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// Why a component ends. The later in this list, the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It was asked to: finish what was begun, take nothing new.
    Drain,
    /// The gateway does not know its token: it belongs to nobody any more.
    Unauthorised,
    /// A function did not end when its time was up: only a new process gets its thread back.
    Stuck,
}

impl Reason {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Drain => 0,
            Self::Unauthorised => 77,
            Self::Stuck => 75,
        }
    }

    /// How long what was begun may take to end, at most.
    pub(crate) fn grace(self) -> Duration {
        match self {
            Self::Drain => Duration::from_secs(25),
            Self::Unauthorised | Self::Stuck => Duration::from_secs(5),
        }
    }
}

/// Requests the end, and waits for it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stop(Arc<watch::Sender<Option<Reason>>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Asks for the end. The strongest of several reasons decides.
    pub(crate) fn request(&self, reason: Reason) {
        self.0.send_if_modified(|current| {
            let stronger = current.is_none_or(|known| known < reason);
            if stronger {
                *current = Some(reason);
            }
            stronger
        });
    }

    /// The strongest reason so far.
    pub(crate) fn reason(&self) -> Option<Reason> {
        *self.0.borrow()
    }

    pub(crate) async fn requested(&self) {
        let mut watching = self.0.subscribe();
        // The sender lives as long as this handle, so waiting cannot fail.
        drop(watching.wait_for(Option::is_some).await);
    }

    /// Turns SIGTERM and SIGINT into a drain.
    pub(crate) fn on_signals(&self) {
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            match signal(kind) {
                Ok(mut stream) => {
                    let stop = self.clone();
                    tokio::spawn(async move {
                        if stream.recv().await.is_some() {
                            info!("asked by a signal to end");
                            stop.request(Reason::Drain);
                        }
                    });
                }
                Err(error) => warn!(%error, "a signal cannot be caught"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_reason_decides() {
        let stop = Stop::new();
        stop.request(Reason::Stuck);
        stop.request(Reason::Drain);
        assert_eq!(stop.reason().map(Reason::exit_code), Some(75));
    }
}
