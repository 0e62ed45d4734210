//! The bounds of the proxy.

use std::time::Duration;

/// The bounds of the proxy.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address.
    pub from_address: usize,
    /// Requests and tunnels of one container at a time.
    pub of_container: usize,
    /// How long a connection may take to send a whole header, also the next one on a connection that is kept open.
    pub header: Duration,
    /// Headers of a request, and of an answer.
    pub headers: usize,
    /// Bytes of all headers of a request, and of an answer.
    pub header_bytes: usize,
    /// How long a look-up of a name may take.
    pub look_up: Duration,
    /// Look-ups at a time: each takes a thread.
    pub look_ups: usize,
    /// How long it may take to connect, all addresses of a name together.
    pub connect: Duration,
    /// How long a request or a tunnel may go on without a byte either way: longer than a step may take.
    pub idle: Duration,
    /// How long a connection may last at all.
    pub total: Duration,
    /// How often open connections are judged again where nothing says that something changed.
    pub review: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            from_address: 512,
            of_container: 256,
            header: Duration::from_secs(10),
            headers: 100,
            header_bytes: 64 * 1024,
            look_up: Duration::from_secs(5),
            look_ups: 32,
            connect: Duration::from_secs(8),
            idle: Duration::from_secs(65 * 60),
            total: Duration::from_secs(24 * 60 * 60),
            review: Duration::from_secs(5),
        }
    }
}
