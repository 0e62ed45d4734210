//! Spans on their way to a collector.
//!
//! Nothing waits for them: what does not fit the queue, and what the collector does not take in two attempts, is dropped
//! and counted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_ports::{Span, SpanKind, SpanSink};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::meters::Meters;

/// Spans that wait to be handed over.
const ROOM: usize = 10_000;
/// Spans that are handed over at once.
const CHUNK: usize = 500;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long it takes until the second attempt.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is said that the collector takes nothing.
const QUIET: Duration = Duration::from_secs(60);

/// Where the router puts spans.
#[derive(Debug, Default)]
pub(crate) struct Outbox(OnceLock<mpsc::Sender<Span>>);

impl Outbox {
    /// Opens it. What is put into it comes out of the receiver.
    pub(crate) fn open(&self) -> mpsc::Receiver<Span> {
        let (spans, inbox) = mpsc::channel(ROOM);
        // It is opened once, at the start.
        self.0.set(spans).ok();
        inbox
    }

    /// Takes the spans of an outcome that was just routed. The sending of a message ends now.
    pub(crate) fn put(&self, spans: Vec<Span>, now: DateTime<Utc>, meters: &Meters) {
        let Some(outbox) = self.0.get() else { return };
        for mut span in spans {
            if span.kind == SpanKind::Producer {
                span.end = now.max(span.begin);
            }
            if outbox.try_send(span).is_err() {
                meters.spans_dropped.add(1);
            }
        }
    }
}

/// Hands spans over until `stop`, and then what is left, once.
pub(crate) async fn run(
    sink: Arc<dyn SpanSink>,
    mut inbox: mpsc::Receiver<Span>,
    meters: Arc<Meters>,
    stop: CancellationToken,
) {
    let mut told: Option<Instant> = None;
    let mut ending = false;
    while !ending {
        let mut spans = Vec::new();
        tokio::select! {
            () = stop.cancelled() => ending = true,
            _ = inbox.recv_many(&mut spans, CHUNK) => {}
        }
        if !ending && spans.len() < CHUNK {
            // Few that come alone make few requests.
            tokio::select! {
                () = stop.cancelled() => ending = true,
                () = tokio::time::sleep(GATHER) => {}
            }
        }
        while spans.len() < CHUNK
            && let Ok(span) = inbox.try_recv()
        {
            spans.push(span);
        }
        if spans.is_empty() {
            continue;
        }
        match hand_over(&*sink, &spans, ending).await {
            Ok(()) => meters.spans_sent.add(spans.len() as u64),
            Err(error) => {
                meters.spans_dropped.add(spans.len() as u64);
                if told.is_none_or(|at| at.elapsed() > QUIET) {
                    warn!(
                        error = crate::chain(&error),
                        spans = spans.len(),
                        "the collector takes no spans; dropped"
                    );
                    told = Some(Instant::now());
                }
            }
        }
    }
}

async fn hand_over(sink: &dyn SpanSink, spans: &[Span], ending: bool) -> Result<(), sluice_ports::PortError> {
    match sink.export(spans).await {
        Err(error) if error.is_transient() && !ending => {
            tokio::time::sleep(PAUSE).await;
            sink.export(spans).await
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use sluice_ports::{Fault, PortError};

    use super::*;

    /// A collector that refuses so many times.
    struct Collector {
        refuses: Mutex<u32>,
        taken: Mutex<Vec<u64>>,
    }

    #[async_trait]
    impl SpanSink for Collector {
        async fn export(&self, spans: &[Span]) -> Result<(), PortError> {
            let mut refuses = self.refuses.lock().unwrap();
            if *refuses > 0 {
                *refuses -= 1;
                return Err(PortError::new(Fault::Transient, "export spans", "not now"));
            }
            self.taken.lock().unwrap().extend(spans.iter().map(|span| span.id));
            Ok(())
        }
    }

    fn span(id: u64, kind: SpanKind) -> Span {
        let at = DateTime::UNIX_EPOCH;
        let name = "act".to_owned();
        Span {
            trace: 1,
            id,
            parent: None,
            name,
            kind,
            begin: at,
            end: at,
            attributes: Vec::new(),
            error: None,
        }
    }

    async fn exported(refuses: u32, spans: u64) -> (Vec<u64>, u64, u64) {
        let (outbox, meters, stop) =
            (Outbox::default(), Arc::new(Meters::default()), CancellationToken::new());
        let collector = Arc::new(Collector { refuses: refuses.into(), taken: Mutex::default() });
        let work = tokio::spawn(run(collector.clone(), outbox.open(), meters.clone(), stop.clone()));
        let all = (0..spans).map(|id| span(id, SpanKind::Internal)).collect();
        outbox.put(all, DateTime::UNIX_EPOCH, &meters);
        while meters.spans_sent.get() + meters.spans_dropped.get() < spans {
            tokio::time::sleep(GATHER).await;
        }
        stop.cancel();
        work.await.unwrap();
        let taken = collector.taken.lock().unwrap().clone();
        (taken, meters.spans_sent.get(), meters.spans_dropped.get())
    }

    #[tokio::test(start_paused = true)]
    async fn spans_are_handed_over_together_and_once_more_after_a_refusal() {
        for refuses in [0, 1] {
            assert_eq!(exported(refuses, 3).await, (vec![0, 1, 2], 3, 0), "{refuses}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_dropped_and_counted() {
        assert_eq!(exported(2, 3).await, (Vec::new(), 0, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_dropped_at_once() {
        let (outbox, meters) = (Outbox::default(), Meters::default());
        let _nobody_reads = outbox.open();
        let more = (0..ROOM as u64 + 7).map(|id| span(id, SpanKind::Internal)).collect();
        outbox.put(more, DateTime::UNIX_EPOCH, &meters);
        assert_eq!(meters.spans_dropped.get(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sending_ends_when_it_was_routed() {
        let (outbox, meters) = (Outbox::default(), Meters::default());
        let mut inbox = outbox.open();
        let later = DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(5);
        outbox.put(vec![span(1, SpanKind::Producer), span(2, SpanKind::Consumer)], later, &meters);
        let ends = [inbox.recv().await.unwrap().end, inbox.recv().await.unwrap().end];
        assert_eq!(ends, [later, DateTime::UNIX_EPOCH]);
    }
}
