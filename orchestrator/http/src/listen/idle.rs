//! Which connections have no request under way, and for how long.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The connections of a listener. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Says that a connection fell idle or ended.
    changed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Those without a request, in the order in which they fell idle; each is closed by its token.
    idle: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// What became of the connection that has been idle for longest.
pub(super) enum Oldest {
    /// It was told to go.
    Closed,
    /// It may stay for so long.
    In(Duration),
    /// There is none.
    None,
}

impl Connections {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection, which is idle, and what says that it has to go.
    pub(super) fn enter(&self) -> (Tracked, CancellationToken) {
        let close = CancellationToken::new();
        let tracked = Tracked { connections: self.clone(), close: close.clone(), at: Arc::default() };
        tracked.rest();
        (tracked, close)
    }

    /// Tells the connection that has been idle for longest to go, if it has been for this long.
    pub(super) fn close_oldest(&self, after: Duration) -> Oldest {
        let mut state = self.state();
        let Some(oldest) = state.idle.first_entry() else { return Oldest::None };
        let wait = after.saturating_sub(oldest.get().0.elapsed());
        if wait.is_zero() {
            oldest.remove().1.cancel();
            Oldest::Closed
        } else {
            Oldest::In(wait)
        }
    }

    /// Waits until a connection fell idle or ended, since this was asked for last.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

/// One connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tracked {
    connections: Connections,
    close: CancellationToken,
    /// Its place among the idle ones, while it is one.
    at: Arc<Mutex<Option<u64>>>,
}

impl Tracked {
    fn at(&self) -> MutexGuard<'_, Option<u64>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) {
        let mut at = self.at();
        let mut state = self.connections.state();
        let place = state.next;
        state.next += 1;
        state.idle.insert(place, (Instant::now(), self.close.clone()));
        *at = Some(place);
        self.connections.0.changed.notify_one();
    }

    /// Begins a request, unless the connection is being closed.
    pub(super) fn begin(&self) -> Option<Busy> {
        let place = self.at().take()?;
        self.connections.state().idle.remove(&place)?;
        Some(Busy(self.clone()))
    }

    /// The connection ended.
    pub(super) fn leave(&self) {
        // Nothing puts it among the idle ones any more.
        self.close.cancel();
        if let Some(place) = self.at().take() {
            self.connections.state().idle.remove(&place);
        }
        self.connections.0.changed.notify_one();
    }
}

/// A request that is under way, until its answer is sent or given up.
pub(super) struct Busy(Tracked);

impl Busy {
    /// Goes on until the last of the body was handed over.
    pub(super) fn until_sent(self, body: Body) -> Answer {
        Answer { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.0.close.is_cancelled() {
            self.0.rest();
        }
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
