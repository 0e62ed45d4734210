//! One delivery and how many of its records are not yet answered. The last answer acknowledges it.

use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::Acker;
use lapin::options::BasicAckOptions;
use tokio::sync::mpsc;
use tracing::debug;

use super::broker::answered;
use crate::error::chain;

/// A delivery under way.
pub(crate) struct Ticket {
    acker: Acker,
    open: AtomicUsize,
    /// Keeps the lane's channel open until the last ticket is gone.
    _lane: mpsc::Sender<()>,
}

impl Ticket {
    /// A delivery of `records` records, at least one.
    pub(crate) fn new(acker: Acker, records: usize, lane: mpsc::Sender<()>) -> Self {
        Self { acker, open: AtomicUsize::new(records), _lane: lane }
    }

    /// Counts one record as answered, its outcome being confirmed. True after the last: then acknowledge.
    pub(crate) fn count(&self) -> bool {
        self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Acknowledges the delivery.
    pub(crate) async fn acknowledge(&self) {
        match answered(self.acker.ack(BasicAckOptions::default())).await {
            Ok(true) => {}
            // The connection is gone: the delivery comes again, and the window knows its ids.
            Ok(false) => debug!("a delivery could not be acknowledged, its channel is gone"),
            Err(error) => debug!(error = chain(&error), "a delivery could not be acknowledged"),
        }
    }

    /// Counts one record as answered and acknowledges after the last.
    pub(crate) async fn settle(&self) {
        if self.count() {
            self.acknowledge().await;
        }
    }
}
