//! The broker that a process of another platform sees: AMQP 0-9-1, as much of it as their libraries speak.
//!
//! It keeps nothing. What it is given to deliver it hands to the consumer of its one queue, and tells when that was
//! acknowledged or rejected; what the process publishes it passes on, and confirms once somebody took it. So the process
//! never meets the real broker: neither its outages nor its limits, and no credentials of it.
//!
//! Source: the AMQP 0-9-1 specification, and what RabbitMQ adds (publisher confirms, `basic.nack`).

mod channels;
mod codec;
mod connection;
mod outbox;
mod sockets;
mod values;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_families::{Message, Publication};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use channels::{Channels, Delivery};

/// What may be published and not be confirmed at a time, in KiB. Past it the process waits.
const ROOM_KIB: u32 = 16 * 1024;

/// What happened at the broker.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The process asks for messages.
    Consuming,
    /// A message was acknowledged or, if not `done`, rejected.
    Settled {
        /// The name of the delivery.
        delivery: String,
        /// Whether it was acknowledged.
        done: bool,
    },
    /// The process published a message.
    Published(Publication, Confirm),
}

/// The broker of one process. Cheap to clone; it ends with `stop`.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Shared>);

struct Shared {
    channels: Mutex<Channels>,
    told: mpsc::UnboundedSender<Happened>,
    room: Arc<Semaphore>,
    password: String,
    port: u16,
    /// Publications of which nobody has said yet whether they are taken.
    open: AtomicUsize,
    /// What is to be written to the process and is not.
    unwritten: Arc<AtomicUsize>,
}

impl Broker {
    /// Listens on a free port of this container, for a process that knows the password.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn start(
        password: String,
        told: mpsc::UnboundedSender<Happened>,
        stop: CancellationToken,
    ) -> std::io::Result<(Self, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
        let broker = Self(Arc::new(Shared {
            channels: Mutex::default(),
            told,
            room,
            password,
            port,
            open: AtomicUsize::new(0),
            unwritten: Arc::default(),
        }));
        let accepting = broker.clone();
        tokio::spawn(async move {
            let mut number = 0;
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, _)) = accepted else { continue };
                number += 1;
                let connection = connection::serve(accepting.clone(), number, stream);
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = connection => if let Err(error) = ended {
                            debug!(%error, "a connection of the process ended");
                        },
                    }
                });
            }
        });
        Ok((broker, port))
    }

    /// Delivers a message as soon as the process takes one.
    pub(crate) fn deliver(&self, delivery: &str, message: Message) {
        let delivery = Delivery { name: delivery.to_owned(), message, redelivered: false };
        self.channels().deliver(delivery);
    }

    /// Takes back a message that the process did not take yet.
    pub(crate) fn withdraw(&self, delivery: &str) {
        self.channels().withdraw(delivery);
    }

    /// Whether the process waits for confirms before it acknowledges. Libraries that know none let an acknowledgement overtake
    /// what was published before it.
    pub(crate) fn confirms(&self) -> bool {
        self.channels().any_confirms()
    }

    /// Whether nothing is on its way between the process and whoever it publishes for.
    pub(crate) async fn is_still(&self) -> bool {
        let shared = &self.0;
        shared.open.load(Ordering::Acquire) == 0
            && shared.unwritten.load(Ordering::Acquire) == 0
            && !sockets::hold_something(shared.port).await
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.0.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, happened: Happened) {
        // Nobody listens any more only when the process is at its end.
        self.0.told.send(happened).ok();
    }

    /// Waits until there is room for a publication of so many bytes.
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes / 1024).unwrap_or(ROOM_KIB).clamp(1, ROOM_KIB);
        self.0.room.clone().acquire_many_owned(kib).await.ok()
    }
}

/// The confirm of a publication. Dropped without a word it says that the message was not taken.
pub(crate) struct Confirm {
    broker: Broker,
    /// The connection, the channel and the number of the publication there; nothing without confirms.
    place: Option<(u64, u16, u64)>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Confirm {
    fn new(broker: Broker, place: Option<(u64, u16, u64)>, room: Option<OwnedSemaphorePermit>) -> Self {
        broker.0.open.fetch_add(1, Ordering::AcqRel);
        Self { broker, place, _room: room }
    }

    /// The message was taken.
    pub(crate) fn taken(mut self) {
        if let Some((connection, channel, number)) = self.place.take() {
            self.broker.channels().confirm((connection, channel), number, true);
        }
    }
}

impl Drop for Confirm {
    fn drop(&mut self) {
        if let Some((connection, channel, number)) = self.place.take() {
            self.broker.channels().confirm((connection, channel), number, false);
        }
        // After what it said, which counts by itself.
        self.broker.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Confirm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Confirm").field(&self.place).finish()
    }
}
