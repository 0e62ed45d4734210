//! What is to be written to a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use amq_protocol::frame::AMQPFrame;
use tokio::sync::mpsc;

/// Where frames of a connection go.
#[derive(Clone)]
pub(super) struct Outbox {
    frames: mpsc::UnboundedSender<Vec<AMQPFrame>>,
    unwritten: Arc<AtomicUsize>,
}

/// Where they come from.
pub(super) struct Outgoing {
    frames: mpsc::UnboundedReceiver<Vec<AMQPFrame>>,
    unwritten: Arc<AtomicUsize>,
}

/// Both ends. `unwritten` counts what was sent and is not written, over all connections.
pub(super) fn outbox(unwritten: &Arc<AtomicUsize>) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Outbox { frames: sender, unwritten: Arc::clone(unwritten) },
        Outgoing { frames: receiver, unwritten: Arc::clone(unwritten) },
    )
}

impl Outbox {
    /// Sends frames that belong together. A connection that is gone takes none.
    pub(super) fn send(&self, frames: Vec<AMQPFrame>) {
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        if self.frames.send(frames).is_err() {
            self.unwritten.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Outgoing {
    /// The next frames; nothing when nobody sends any more.
    pub(super) async fn next(&mut self) -> Option<Vec<AMQPFrame>> {
        self.frames.recv().await
    }

    /// The next frames if there are some already.
    pub(super) fn more(&mut self) -> Option<Vec<AMQPFrame>> {
        self.frames.try_recv().ok()
    }

    /// So many were written.
    pub(super) fn written(&self, count: usize) {
        self.unwritten.fetch_sub(count, Ordering::AcqRel);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.frames.close();
        while self.frames.try_recv().is_ok() {
            self.written(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_counts_until_it_is_written_or_the_connection_is_gone() {
        let unwritten = Arc::new(AtomicUsize::new(0));
        let count = || unwritten.load(Ordering::Relaxed);
        let (outbox, mut outgoing) = outbox(&unwritten);
        for _ in 0..3 {
            outbox.send(vec![AMQPFrame::Heartbeat]);
        }
        assert!(outgoing.next().await.is_some() && outgoing.more().is_some());
        assert_eq!(count(), 3);
        outgoing.written(2);
        assert_eq!(count(), 1);
        drop(outgoing);
        outbox.send(vec![AMQPFrame::Heartbeat]);
        assert_eq!(count(), 0);
    }
}
