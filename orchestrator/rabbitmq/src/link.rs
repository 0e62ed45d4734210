//! A connection that is rebuilt for ever.
//!
//! A task owns the connection and publishes it with a generation number. Whoever uses a channel of it and sees it fail
//! waits for the next generation. Stream end, error event and a status that is no longer connected are treated alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::{Connection, ConnectionProperties, Event};
use rand::Rng;
use sluice_ports::broker::Health;
use tokio::sync::watch;
use tracing::{Instrument, info, info_span, warn};

use crate::config::BrokerUrl;

/// How often the status is looked at besides the events, which lapin may drop.
const STATUS_CHECK: Duration = Duration::from_secs(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// A handle to a connection that is rebuilt for ever. The connection ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Link {
    current: watch::Receiver<State>,
}

/// How a link stands.
#[derive(Clone)]
pub(crate) struct State {
    /// Counts the connections.
    pub(crate) generation: u64,
    /// The connection, while there is one.
    pub(crate) connection: Option<Arc<Connection>>,
    /// Why the broker blocks publishing, while it does.
    pub(crate) blocked: Option<String>,
    /// The last error.
    pub(crate) error: Option<String>,
    /// When it came into this state.
    pub(crate) since: Instant,
}

impl Link {
    /// Begins to connect.
    pub(crate) fn open(url: &BrokerUrl, role: &'static str) -> Self {
        let state =
            State { generation: 0, connection: None, blocked: None, error: None, since: Instant::now() };
        let (publish, current) = watch::channel(state);
        let span = info_span!("broker_link", role, broker = %url);
        tokio::spawn(supervise(url.clone(), role, publish).instrument(span));
        Self { current }
    }

    /// The connection, once there is one that is newer than `seen`. `None` only at the end of the process.
    pub(crate) async fn newer_than(&self, seen: u64) -> Option<(u64, Arc<Connection>)> {
        let mut current = self.current.clone();
        let state =
            current.wait_for(|state| state.generation > seen && state.connection.is_some()).await.ok()?;
        Some((state.generation, state.connection.clone()?))
    }

    /// The connection of now, waiting for one.
    pub(crate) async fn now(&self) -> Option<(u64, Arc<Connection>)> {
        self.newer_than(0).await
    }

    /// How it stands at this moment.
    pub(crate) fn state(&self) -> State {
        self.current.borrow().clone()
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        match (&state.connection, state.blocked) {
            (None, _) => {
                let reason = state.error.unwrap_or_else(|| "connecting".to_owned());
                Health::Down { reason, since: state.since.elapsed() }
            }
            (Some(_), Some(reason)) => Health::Blocked(reason),
            (Some(_), None) => Health::Up,
        }
    }
}

async fn supervise(url: BrokerUrl, role: &'static str, publish: watch::Sender<State>) {
    let mut backoff = BACKOFF_FIRST;
    while !publish.is_closed() {
        let name = format!("sluice orchestrator ({role})");
        let options = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(url.to_lapin(), options);
        let connected = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err("the broker does not answer".to_owned()),
        };
        match connected {
            Ok(connection) => {
                backoff = BACKOFF_FIRST;
                info!("connected to the broker");
                let connection = Arc::new(connection);
                publish.send_modify(|state| {
                    state.generation += 1;
                    state.connection = Some(connection.clone());
                    (state.blocked, state.error) = (None, None);
                    state.since = Instant::now();
                });
                let reason = watch_over(&connection, &publish).await;
                warn!(reason, "lost the connection to the broker");
                down(&publish, reason);
            }
            Err(error) => {
                if backoff == BACKOFF_FIRST {
                    warn!(error, "cannot connect to the broker; trying on");
                }
                down(&publish, error);
                let jitter = rand::rng().random_range(0.5..1.0);
                tokio::select! {
                    () = tokio::time::sleep(backoff.mul_f64(jitter)) => {}
                    () = publish.closed() => return,
                }
                backoff = (backoff * 2).min(BACKOFF_MOST);
            }
        }
    }
}

fn down(publish: &watch::Sender<State>, reason: String) {
    publish.send_modify(|state| {
        if state.connection.take().is_some() || state.error.is_none() {
            state.since = Instant::now();
        }
        state.blocked = None;
        state.error = Some(reason);
    });
}

/// Returns why the connection is of no use any more.
async fn watch_over(connection: &Connection, publish: &watch::Sender<State>) -> String {
    let mut events = Box::pin(connection.events_listener());
    let mut check = tokio::time::interval(STATUS_CHECK);
    loop {
        tokio::select! {
            () = publish.closed() => {
                connection.close(200, "bye".into()).await.ok();
                return "shut down".to_owned();
            }
            event = events.next() => match event {
                None => return "the connection ended".to_owned(),
                // A channel's error (a queue that is not there, say) is told here too, and leaves the connection alone.
                Some(Event::Error(error)) if error.is_amqp_soft_error() => {}
                Some(Event::Error(error)) => return error.to_string(),
                Some(Event::ConnectionBlocked(reason)) => {
                    warn!(reason, "the broker blocks publishing");
                    publish.send_modify(|state| state.blocked = Some(reason));
                }
                Some(Event::ConnectionUnblocked) => {
                    info!("the broker allows publishing again");
                    publish.send_modify(|state| state.blocked = None);
                }
                Some(_) => {}
            },
            _ = check.tick() => {
                if !connection.status().connected() {
                    return "the connection is closed".to_owned();
                }
            }
        }
    }
}
