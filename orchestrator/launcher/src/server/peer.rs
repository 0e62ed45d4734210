//! Who asks, as the kernel tells it (`SO_PEERCRED`): the process that opened the connection, which cannot lie about it.

use std::io;

use tokio::net::UnixStream;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: i32,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid().unwrap_or(0) })
    }
}
