//! A connection of which one can tell when a byte went through it last.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// What went through a connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Inner>);

struct Inner {
    begun: Instant,
    /// When the last byte went through, in milliseconds since it was begun.
    at: AtomicU64,
    bytes: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self(Arc::new(Inner { begun: Instant::now(), at: AtomicU64::new(0), bytes: AtomicU64::new(0) }))
    }

    fn beat(&self, bytes: usize) {
        let millis = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.at.store(millis, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Resolves when nothing went through for `idle`, or the connection is older than `total`.
    pub(crate) async fn stopped(&self, idle: Duration, total: Duration) {
        let end = self.0.begun + total;
        loop {
            let last = Duration::from_millis(self.0.at.load(Ordering::Relaxed));
            let until = (self.0.begun + last + idle).min(end);
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// A connection and its pulse.
pub(crate) struct Watched {
    stream: TcpStream,
    pulse: Pulse,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream) -> (Self, Pulse) {
        let pulse = Pulse::new();
        (Self { stream, pulse: pulse.clone() }, pulse)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.pulse.beat(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.pulse.beat(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, bytes))?;
        self.pulse.beat(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
